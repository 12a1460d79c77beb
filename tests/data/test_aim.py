"""AIM annotations as ePAD and the AIM template builder write them, well-formed and not, and their table form."""

import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radiogenomics.data import aim
from radiogenomics.errors import InputError

SECRETS = ("Doe", "Jane", "19500304", "1994", "1.2.840", "praised", "Reader")
AIM3 = """<?xml version="1.0" encoding="UTF-8"?>
<ImageAnnotation xmlns="gme://caCORE.caCORE/3.2/edu.northwestern.radiology.AIM" aimVersion="3.0"
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" comment="CT / praised THORAX / 13" codeMeaning="Lung Template"
 codeValue="LT1" dateTime="1994-08-13T10:00:00" name="Doe" uniqueIdentifier="1.2.840.1">
 <user><User loginName="Reader" name="Reader Jane" cagridId="0"/></user>
 <anatomicEntityCollection>
  <AnatomicEntity cagridId="0" codeMeaning="upper lobe of right lung" codeValue="RID1303" label="Anatomic Location"
   comment="Jane" isPresent="true"/>
  <AnatomicEntity codeMeaning="lingula" codeValue="RID1" label="Anatomic Location" isPresent="false"/>
 </anatomicEntityCollection>
 <imagingObservationCollection>
  <ImagingObservation codeMeaning="lung mass" codeValue="1" label="Lung Nodule" comment="Jane Doe">
   <imagingObservationCharacteristicCollection>
    <ImagingObservationCharacteristic codeMeaning="partially solid" codeValue="2" label="Nodule Attenuation">
     <characteristicQuantificationCollection>
      <NonQuantifiable codeMeaning="Solid greaterThan 5mm" name="size" xsi:type="NonQuantifiable"/>
     </characteristicQuantificationCollection>
    </ImagingObservationCharacteristic>
    <ImagingObservationCharacteristic codeMeaning="attachment to pleura" label="Nodule Associated Findings"/>
    <ImagingObservationCharacteristic codeMeaning="attachment to vessel" label="Nodule Associated Findings"/>
    <ImagingObservationCharacteristic codeMeaning="attachment to vessel" label="Nodule Associated Findings"/>
    <ImagingObservationCharacteristic codeMeaning="none" label="Nodule Calcification"/>
    <ImagingObservationCharacteristic codeMeaning="Doe^Jane 19500304" label="Nodule Shape"/>
    <ImagingObservationCharacteristic codeMeaning="praised" label="Any other question"/>
   </imagingObservationCharacteristicCollection>
  </ImagingObservation>
 </imagingObservationCollection>
 <inferenceCollection><Inference codeMeaning="centrilobular" label="Primary Emphysema Pattern"/></inferenceCollection>
 <imageReferenceCollection><ImageReference><imageStudy><ImageStudy instanceUID="1.2.840.2" startDate="19940813"/>
 </imageStudy></ImageReference></imageReferenceCollection>
 <person><Person birthDate="19500304" cagridId="0" id="R01-001" name="Doe^Jane" sex="F"/></person>
</ImageAnnotation>
"""
MALFORMED = AIM3.replace(' aimVersion="3.0"', ' aimVersion="3.0" aimVersion="3.0"').replace("R01-001", "R01-112")
AIM4_ANSWER = """<{0}><typeCode code="RID1" codeSystem="RadLex" codeSystemName="RadLex">
 <iso:displayName xmlns:iso="uri:iso.org:21090" value="{1}"/></typeCode><questionTypeCode code="2">
 <iso:displayName xmlns:iso="uri:iso.org:21090" value="the question"/></questionTypeCode>
 <annotatorConfidence value="0"/><label value="{2}"/><comment value="praised Jane"/>{3}</{0}>"""
OBSERVED = AIM4_ANSWER.format("ImagingObservationCharacteristic", "spiculated", "Nodule Margins-Primary Pattern", "")
AIM4 = f"""<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<ImageAnnotationCollection xmlns="gme://caCORE.caCORE/4.4/edu.northwestern.radiology.AIM" aimVersion="AIMv4_0">
 <uniqueIdentifier root="1.2.840.9"/><dateTime value="1994-08-13"/>
 <user><name value="Reader"/><loginName value="Reader"/></user>
 <person><name value="Doe^Jane"/><id value="R01-002"/><birthDate value="19500304"/><sex value="F"/></person>
 <imageAnnotations><ImageAnnotation><uniqueIdentifier root="1.2.840.10"/><name value="praised"/>
 <imagingPhysicalEntityCollection>
 {AIM4_ANSWER.format("ImagingPhysicalEntity", "lingula", "Anatomic Location", "")}
 </imagingPhysicalEntityCollection>
 <imagingObservationEntityCollection>
 {AIM4_ANSWER.format("ImagingObservationEntity", "lung mass", "Lung Nodule", OBSERVED)}
 </imagingObservationEntityCollection>
 <inferenceEntityCollection>
 {AIM4_ANSWER.format("InferenceEntity", "smoking-related fibrosis", "Fibrosis Type", "")}
 </inferenceEntityCollection></ImageAnnotation></imageAnnotations></ImageAnnotationCollection>
"""
BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">' + "".join(
    f'<!ENTITY {name} "{10 * f"&{before};"}">' for before, name in zip("abcdefgh", "bcdefghi", strict=True)
) + "]>"


def write(folder, **files):
    for name, text in files.items():
        path = folder / "08-13-1994-study" / f"{name}.xml"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def ticked(row):
    return {name: value for name, value in row.items() if value != "unknown"}


ANSWERS3 = {
    "semantic_location": "upper lobe of right lung",
    "semantic_attenuation": "partially solid|Solid greaterThan 5mm",
    "semantic_associated_findings": "attachment to pleura|attachment to vessel",
    "semantic_calcification": "none",
    "semantic_emphysema_pattern": "centrilobular",
}
ANSWERS4 = {
    "semantic_location": "lingula",
    "semantic_margins": "spiculated",
    "semantic_fibrosis_type": "smoking-related fibrosis",
}


def test_both_versions_and_malformed_files_are_read(tmp_path):
    found = aim.read_semantics(write(tmp_path, one=AIM3, two=AIM4, three=MALFORMED, note="<html>ImageAnn</html>"))
    assert list(found.index) == ["R01-001", "R01-002", "R01-112"] and list(found.columns) == list(aim.SEMANTIC_COLUMNS)
    assert ticked(found.loc["R01-001"]) == ticked(found.loc["R01-112"]) == ANSWERS3
    assert ticked(found.loc["R01-002"]) == ANSWERS4
    assert set(found.attrs["warnings"]) == {
        "1 malformed AIM files read tag by tag (duplicate attribute): R01-112",
        "2 AIM files with terms other than the known ones, not read: R01-001, R01-112",
    }


def test_nothing_identifying_is_read(tmp_path):
    found = aim.read_semantics(write(tmp_path, one=AIM3, two=AIM4, three=MALFORMED, four=AIM3[:-30]))
    told = str(found.to_dict()) + str(found.attrs)
    assert len(found) == 3 and not [secret for secret in SECRETS if secret in told]


@pytest.mark.parametrize("text", (AIM3, AIM4))
def test_reading_tag_by_tag_gives_the_same(text):
    events, malformed = aim._events(text)
    assert not malformed and aim._collect(events) == aim._collect(aim._tags(text))


def test_a_cut_file_gives_what_it_holds(tmp_path):
    end = AIM3.index("<imageReferenceCollection>")
    found = aim.read_semantics(write(tmp_path, **{"R01-007_cut": AIM3[:end]}))
    assert ticked(found.loc["R01-007"]) == ANSWERS3  # The id of the person is cut off: the file name stands in.
    assert "(no element found)" in found.attrs["warnings"][0]


def test_encodings_and_escaped_signs(tmp_path):
    text = AIM3.replace('"none"', '"a &lt; b &amp;lt;"').replace(' encoding="UTF-8"', "")
    files = {"marked": text.encode("utf-16"), "broken": MALFORMED.replace('"none"', '"a &lt; b &amp;lt;"')}
    found = aim.read_semantics(write(tmp_path, **files))
    assert list(found["semantic_calcification"]) == ["a < b &lt;"] * 2


def test_the_first_of_several_files_of_a_patient_counts(tmp_path):
    found = aim.read_semantics(write(tmp_path, a=AIM3, b=AIM3.replace("centrilobular", "paraseptal")))
    assert found.loc["R01-001", "semantic_emphysema_pattern"] == "centrilobular"
    assert "1 further AIM files of a patient left out: R01-001" in found.attrs["warnings"]


def test_a_folder_without_annotations_gives_an_empty_table(tmp_path):
    (tmp_path / "image.dcm").write_bytes(bytes(200) + b"DICM ImageAnnotation")
    found = aim.read_semantics(tmp_path)
    assert found.empty and list(found.columns) == list(aim.SEMANTIC_COLUMNS) and found.attrs["warnings"] == ()


def test_unusable_files_are_told_by_their_fault(tmp_path):
    named = {"nobody": AIM3.replace('id="R01-001"', ""), "nothing": AIM3.split("<anatomic")[0] + '<Person id="R01-9"/>',
             "bomb": AIM3.replace("<ImageAnnotation", BOMB + "<ImageAnnotation", 1),
             "outside": AIM3.replace("<Image", '<!DOCTYPE x SYSTEM "file:///etc/passwd"><Image', 1)}
    found = aim.read_semantics(write(tmp_path, **named))
    assert found.empty
    told = "; ".join(found.attrs["warnings"])
    assert "no patient id" in told and "none of the known features" in told
    assert "2 AIM files passed over: AIM annotation: declares a document type" in told


def test_huge_files_are_refused_unread(tmp_path):
    path = tmp_path / "huge.xml"
    with path.open("wb") as file:
        file.write(AIM3.encode())
        file.truncate(10 * 2**30)  # Sparse.
    tracemalloc.start()
    try:
        found = aim.read_semantics(tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
    assert found.empty and "larger than 2 MiB" in found.attrs["warnings"][0]


@pytest.mark.parametrize("part", ('<a "', "<Inference ", "<a b='", "<" + 50 * "a", "<a b=", "<!-- ", "<Inference>"))
def test_time_grows_with_the_text(part):
    text = "<ImageAnnotation a='1' a='2'>" + part * (2**20 // len(part))
    start = time.process_time()
    aim._collect(aim._events(text)[0])
    assert time.process_time() - start < 6  # Quadratic time would be hours.


@settings(max_examples=150, deadline=None)
@given(
    text=st.sampled_from([AIM3, AIM4, MALFORMED]),
    cut=st.integers(0, 4000),
    changes=st.lists(st.tuples(st.integers(0, 3999), st.integers(0, 255)), max_size=6),
)
def test_damaged_files_give_features_or_are_told(tmp_path_factory, text, cut, changes):
    folder = tmp_path_factory.mktemp("fuzz")
    data = bytearray(text.encode()[: cut or None])
    for place, byte in changes:
        data[place % max(len(data), 1) : place % max(len(data), 1) + 1] = bytes([byte])
    (folder / "R01-003.xml").write_bytes(data)
    found = aim.read_semantics(folder)
    assert list(found.columns) == list(aim.SEMANTIC_COLUMNS) and len(found) <= 1
    assert all(isinstance(value, str) and value for value in found.to_numpy().ravel())
    if found.empty and b"ImageAnnotation" in data and data.lstrip(b"\xff\xfe\xef\xbb\xbf \t\r\n").startswith(b"<"):
        assert len(found.attrs["warnings"]) == 1


def test_the_table_form(tmp_path):
    path = tmp_path / "aim.csv"
    path.write_text(
        "aim_file,subject,Nodule Attenuation,Secondary Emmphysema Pattern,Overall Emphysema Severity,comment,sop\n"
        "x, R01-001 ,partially solid|Solid lessOrEqual 5mm,,low severity (1-25%),CT Doe,1.2.840.1\n"
        "x,R01-001,solid,,,,\n"
        "x,R01-002,solid|solid,panacinar,19940813,,\n"
    )
    found = aim.read_semantic_table(path)
    assert ticked(found.loc["R01-001"]) == {
        "semantic_attenuation": "partially solid|Solid lessOrEqual 5mm",
        "semantic_emphysema_severity": "low severity (1-25%)",
    }
    assert ticked(found.loc["R01-002"]) == {
        "semantic_attenuation": "solid", "semantic_emphysema_secondary_pattern": "panacinar"
    }
    assert found.attrs["warnings"] == (
        "semantic table: 1 rows of a repeated or no patient left out.",
        "semantic table: 1 terms other than the known ones, not read.",
    )
    copy = tmp_path / "copy.csv"
    found.to_csv(copy)
    assert aim.read_semantic_table(copy).equals(found)


@pytest.mark.parametrize(
    "text, match", (("a,Fibrosis\n1,2\n", "no column of patients"), ("subject,b\n1,2\n", "no column of a semantic"))
)
def test_a_table_without_patients_or_features_is_refused(tmp_path, text, match):
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=f"t.csv: {match}"):
        aim.read_semantic_table(path)


@settings(max_examples=80, deadline=None)
@given(data=st.binary(max_size=200) | st.text(max_size=99).map(lambda text: f"subject,Fibrosis\n{text}\n".encode()))
def test_damaged_tables_give_features_or_an_error(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("fuzz") / "t.csv"
    path.write_bytes(data)
    try:
        found = aim.read_semantic_table(path)
    except InputError as error:
        assert str(error).startswith("t.csv: ")
        return
    assert all(isinstance(value, str) and value for value in found.to_numpy().ravel())
