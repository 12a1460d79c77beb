"""The map to explore."""

import json
import re

from made_up import GENES, make_map

from radiogenomics.reports import interactive, map_tables


def test_interactive_map_escapes_names_and_offers_no_upload():
    evil = ["</script><script>alert(1)</script>", *GENES[1:]]
    dataset = make_map(genes=evil)
    text = interactive.interactive_map(dataset, map_tables.group_genes(dataset, 30))
    assert "alert(1)" in text and "<script>alert" not in text
    settings = json.loads(re.findall(r'\{"displaylogo".*?\}', text)[-1])
    assert settings["modeBarButtons"] == [["toImage", "zoom2d", "pan2d", "resetScale2d"]]
    assert 'src="http' not in text
