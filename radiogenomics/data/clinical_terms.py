"""The words that text covariates may hold: terms of histology, staging, mutations, sites and the like."""

import re

CLASS_CODE = re.compile(r"[A-Za-z]?\d{1,2}[a-d]?|[A-Za-z]")  # a whole cell such as 'A', '2' or 'G3'
ANSWERS = "yes no not true false present absent positive negative identified seen indeterminate equivocal other"
MUTATION = (
    "wildtype wild type wt mutant mutated mutation mut pos neg detected exon deletion del insertion ins amplified "
    "amplification substitution translocated translocation rearranged rearrangement fusion egfr kras alk eml4"
)
INVASION = "pleural lymphovascular lymphatic vascular venous invasion visceral parietal elastic focal extensive"
STAGE = "staged unstaged stage i ii iii iv a b c occult"
# Words that a text covariate may hold. A text of other words may be a note or a name, and becomes 'unknown'.
VOCABULARIES = {
    "site": (
        "site center centre clinic hospital institution institute university medical veterans affairs va health "
        "system cancer national general school of the and stanford palo alto nijmegen maastricht maastro moffitt "
        "michigan mayo memorial sloan kettering md anderson washington california harvard amc"
    ),
    "histology": (
        "adeno adenocarcinoma squamous cell carcinoma large small nsclc sclc nscc nos not otherwise specified non lung "
        "pulmonary cancer neuroendocrine carcinoid typical atypical tumor tumour adenosquamous sarcomatoid pleomorphic "
        "lepidic acinar papillary micropapillary solid mucinous nonmucinous invasive minimally in situ predominant "
        "bronchioloalveolar bronchoalveolar bac ais mia luad lusc scc lcnec lcc nec mixed combined undifferentiated "
        "differentiated well poorly moderately to type subtype with and or of component features "
        "lymphoepithelioma like mucoepidermoid adenoid cystic sarcoma carcinosarcoma blastoma "
        "keratinizing nonkeratinizing "
        "basaloid clear spindle giant metastatic metastasis primary benign malignant hamartoma granuloma lymphoma "
        "mesothelioma fetal "
        "colloid enteric nut thymoma epithelial salivary gland high low grade signet ring intermediate other"
    ),
    "grade": (
        "grade g1 g2 g3 g4 gx other type i ii iii iv well moderately poorly to and or differentiated undifferentiated "
        "moderate poor high low intermediate anaplastic cannot be assessed"
    ),
    "ethnicity": (
        "caucasian white asian african american black hispanic latino latina latinx native hawaiian pacific islander "
        "alaska alaskan indian east south southeast eastern middle european mixed multiracial other or and not non of "
        "more than one race two chinese japanese korean vietnamese filipino"
    ),
    "smoking": (
        "current former never nonsmoker non smoker smokers smoked smoking ex ever past passive light heavy reformed "
        "for years less than more or equal to yes no"
    ),
    "lobe": (
        "rul rml rll lul lll l lingula lingular left right upper middle lower lobe lung bronchus main hilum hilar "
        "central peripheral trachea mediastinum multiple bilateral and of other"
    ),
    "stage_t": STAGE,
    "stage_n": STAGE,
    "stage_m": STAGE,
    "pleural_invasion": f"{ANSWERS} {INVASION} pl0 pl1 pl2 pl3",
    "lymphovascular_invasion": f"{ANSWERS} {INVASION}",
    "egfr": f"{ANSWERS} {MUTATION}",
    "kras": f"{ANSWERS} {MUTATION}",
    "alk": f"{ANSWERS} {MUTATION}",
}  # fmt: skip
VOCABULARIES = {name: frozenset(words.split()) for name, words in VOCABULARIES.items()}
AMINO_CHANGE = r"[a-z]\d{2,3}[a-z]|1[89]|2[01]"  # 'L858R', and the exons 18 to 21
# Further words, by pattern: TNM stages, mutations, short numbers.
PATTERNS = {
    "site": r"[a-z]|\d{1,2}",
    "smoking": r"\d{1,2}",
    "stage_t": r"[cyrpa]{0,2}t(?:is|x|\d)(?:mi|[a-d])?",
    "stage_n": r"[cyrp]{0,2}n(?:x|\d)(?:mi|[a-c])?",
    "stage_m": r"[cyrp]{0,2}m(?:x|\d)[a-c]?",
    "egfr": AMINO_CHANGE,
    "kras": rf"{AMINO_CHANGE}|g1[23][a-z]",
}
