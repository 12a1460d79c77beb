"""What a perturbation moves: single genes, sets of genes or metagenes, as weights over the genes and as directions."""

from typing import NamedTuple

import numpy as np

from radiogenomics.analysis import association, mapping
from radiogenomics.errors import InputError


class Items(NamedTuple):
    """I things that can be moved; an item's score is the weighted sum of the standardised genes."""

    names: tuple  # [I]
    kinds: tuple  # [I] "gene", "set" or "metagene"
    weights: np.ndarray  # [G, I] over all genes of the run


def gather_items(run, genes=None, sets=None, metagenes=None, weights=None):
    """Items from names.

    Args:
      run: a `Run`.
      genes: gene symbols.
      sets: {name: gene symbols}, as of `gene_sets.read_gene_sets`; the item is the mean of those that the run has.
      metagenes: names as in the map, such as "metagene 3".
      weights: `Metagenes`, or their weights [G, M] over all genes; the map's by default.

    Raises:
      InputError: where nothing is given, a gene or metagene is unknown, a set has no gene of the run, or two items
        have one name.
    """
    genes, metagenes = _listed(genes), _listed(metagenes)
    known = run.cohort.genes
    identity = np.zeros((len(known), len(genes)), np.float32)
    if genes:
        identity[mapping.gene_columns(known, genes), np.arange(len(genes))] = 1.0
    blocks = [("gene", genes, identity), ("set", list(sets or {}), _set_weights(known, sets or {}))]
    if metagenes:
        groups = mapping.choose_metagenes(run, weights)
        blocks.append(("metagene", metagenes, groups.weights[:, _metagene_columns(metagenes, groups.names)]))
    names = tuple(str(name) for _, block, _ in blocks for name in block)
    if not names:
        raise InputError("genes, sets, metagenes: none given; expected at least one gene, set or metagene to move.")
    repeated = [name for place, name in enumerate(names) if name in names[:place]]
    if repeated:
        raise InputError(f"genes, sets, metagenes: '{repeated[0]}' is named twice; expected each name once.")
    kinds = tuple(kind for kind, block, _ in blocks for _ in block)
    return Items(names, kinds, np.concatenate([block for _, _, block in blocks], axis=1))


def item_directions(fold, items, together):
    """Change of the components [K, I] when each item's score rises by one SD of the fold's training patients.

    With `together` what moves with the item moves too (conditional mean, as `association.metagene_direction`). Without,
    only its own genes do, by the smallest change that raises the score by one SD; the encoder's front end then sees
    little of a single gene.
    """
    if together:
        return association.metagene_direction(fold, items.weights)
    sd = (fold.genes[fold.training] @ items.weights).std(axis=0)
    changes = items.weights * (sd / np.maximum(np.square(items.weights).sum(axis=0), 1e-30))
    return fold.transform.components(changes.T).T


def held_out_rows(run, patients=None):
    """[(fold, held-out rows)] of the patients (all for None) in folds that have any; InputError for unknown or none."""
    wanted = run.cohort.indices(patients) if patients is not None else np.arange(len(run.cohort.patients))
    if not len(wanted):
        raise InputError("patients: none given; expected at least one id of the cohort.")
    folds = [(fold, fold.held_out[np.isin(fold.held_out, wanted)]) for fold in run.folds]
    return [(fold, rows) for fold, rows in folds if len(rows)]


def _listed(names):
    """A list; a single name counts as one, not as its letters."""
    return [names] if isinstance(names, str) else list(names) if names is not None else []


def _set_weights(known, sets):
    """Weights [G, S] that average each set's known genes."""
    position = {gene: column for column, gene in enumerate(known)}
    weights = np.zeros((len(known), len(sets)), np.float32)
    for place, (name, symbols) in enumerate(sets.items()):
        members = sorted({position[gene] for gene in _listed(symbols) if gene in position})
        if not members:
            raise InputError(
                f"sets: '{name}' has {len(_listed(symbols))} genes, none of them among the run's {len(known)}; "
                "expected one or more."
            )
        weights[members, place] = 1.0 / len(members)
    return weights


def _metagene_columns(names, known):
    position = {name: column for column, name in enumerate(known)}
    for name in names:
        if name not in position:
            raise InputError(f"metagenes: '{name}' is unknown; expected one of '{known[0]}' to '{known[-1]}'.")
    return [position[name] for name in names]
