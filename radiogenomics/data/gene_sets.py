"""Gene sets in the GMT format: a line a set, with its name, a description and its genes, separated by tabs."""

import logging
import pathlib

from radiogenomics.data.expression import read_bytes
from radiogenomics.errors import InputError

LARGEST_BYTES = 128 * 2**20  # four times the largest public collection


def read_gene_sets(path):
    """Reads a GMT file (also gzip), at most 128 MiB once decompressed.

    Returns:
      {name: tuple of symbols}, in the file's order; a symbol repeated in a set counts once.

    Raises:
      InputError: where the file is damaged, too large or holds no set, or a line has no name, no gene or a name that
        was there before.
    """
    path = pathlib.Path(path)
    try:
        text = read_bytes(path, LARGEST_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path.name}: not a GMT file of gene sets ({error}).") from error
    sets = {}
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        if not line.strip():
            continue
        name, *rest = (field.strip() for field in line.split("\t"))
        genes = tuple(dict.fromkeys(gene for gene in rest[1:] if gene))
        if not name or not genes:
            raise InputError(
                f"{path.name}: line {number} starts with '{line[:40]}'; expected a set's name, a description and at "
                "least one gene, separated by tabs."
            )
        if name in sets:
            raise InputError(f"{path.name}: line {number} repeats the set '{name[:40]}'; expected each name once.")
        sets[name] = genes
    if not sets:
        raise InputError(f"{path.name}: holds no gene set; expected a line a set, separated by tabs.")
    return sets


def usable_sets(sets, genes, smallest, source):
    """The sets with at least `smallest` of their symbols among `genes`, cut to those; the others are told.

    Args:
      sets: {name: symbols}.
      genes: symbols that are known.
      smallest: number of genes, such as `genes.min_set_size`.
      source: the field or flag that the sets came from, for messages.

    Returns:
      {name: set of symbols}, in the order of `sets`.

    Raises:
      InputError: where no set is left.
    """
    known = set(genes)
    kept = {name: known.intersection(symbols) for name, symbols in sets.items()}
    kept = {name: symbols for name, symbols in kept.items() if symbols and len(symbols) >= smallest}
    if not kept:
        raise InputError(
            f"{source}: none of the {len(sets)} sets has {smallest} (genes.min_set_size) of the cohort's "
            f"{len(known)} genes; expected the same kind of gene symbols."
        )
    left_out = [name for name in sets if name not in kept]
    if left_out:
        logging.warning(
            "%s: %d of %d sets left out, fewer than %d of their genes in the cohort: %s",
            source, len(left_out), len(sets), smallest, ", ".join(left_out),
        )
    return kept
