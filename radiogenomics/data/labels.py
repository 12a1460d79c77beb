"""Which text of a file may pass into outputs: names of classes, codes and known words, and nothing else.

What people typed into a header or a table may name a person, give a date or number a record. Cohorts, quality reports
and log lines travel further than their sources, so a text goes on only where it looks like what it should be; the
caller leaves any other out or replaces it ('unknown', a number), and tells that it did without quoting it.
"""

import re

LONGEST_LABEL = 64
MONTH = (
    "(?<![a-z])(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    "|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)(?![a-z])"
)
DATE = rf"\d+\s*[-/.]\s*\d+\s*[-/.]\s*\d|\d{{6}}|\d(?:st|nd|rd|th)?[\s.-]*{MONTH}|{MONTH}[\s.,-]*\d"
RECORD = r"(?<![a-z])(?:mrn|dob|ssn|pid|uid|accession|name|born)(?![a-z])"
# Dates, UIDs, long numbers, DICOM person names, addresses: no label of a class looks like one.
IDENTIFYING = re.compile(rf"{DATE}|{RECORD}|[\^@]|://", re.IGNORECASE)
# Of a code, '^' may stand before a strength ('I70f^3'), not between names.
IDENTIFYING_CODE = re.compile(rf"{DATE}|{RECORD}|\d{{5}}|\^(?!\d)", re.IGNORECASE)
CODE = re.compile(r"[\w +.^?-]{1,16}")
MOST_DIGITS = 4  # of a code
CODE_WORDS = set(
    "batch body bone brain cell chest detail edge extra fine flow lane lung mediastinum medium plate plus pool run "
    "sharp smooth soft standard tissue ultra lesion mass neoplasm nodule primary secondary segment tumor tumour".split()
)


def is_label(text):
    """Whether a text can be the name of a class: up to 64 printable characters, no date, identifier or address."""
    return len(text) <= LONGEST_LABEL and text.isprintable() and not IDENTIFYING.search(text)


def is_code(text):
    """Whether a text can be a code, as of a kernel, a batch or a segment, and no name, date or record number.

    It holds up to 16 letters, digits, spaces and signs of _-+.^?, and up to 4 digits. A word of two letters or more
    that is not in `CODE_WORDS` stands alone, for 'Doe J' is a name.
    """
    if not CODE.fullmatch(text) or IDENTIFYING_CODE.search(text) or sum(map(str.isdigit, text)) > MOST_DIGITS:
        return False
    words = [word for word in re.split(r"[\s_.^?+-]+", text.casefold()) if any(map(str.isalpha, word))]
    return len(words) <= 1 or all(len(word) < 2 or not word.isalpha() or word in CODE_WORDS for word in words)


def is_segment(text):
    """Whether the label of a segment can be shown: a code (`is_code`), or known words such as 'Neoplasm, primary'."""
    return is_code(text) or is_term(text, CODE_WORDS)


def is_term(text, words, pattern=""):
    """Whether every word of a label is in a set of lower-case words or fits a pattern; outside them are only signs.

    Args:
      text: the label, judged without case.
      words: set of words in lower case.
      pattern: regular expression of further words.
    """
    found = re.findall(r"[^\W_]+", text.casefold())
    return is_label(text) and bool(found) and all(word in words or re.fullmatch(pattern, word) for word in found)
