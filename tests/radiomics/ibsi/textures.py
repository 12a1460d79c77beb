"""Small random regions, and texture features by plain loops: slow, and with nothing shared with the package."""

import collections
import itertools

import numpy as np

DIRECTED = ("2D, averaged", "2D, slice-merged", "2.5D, direction-merged", "2.5D, merged", "3D, averaged", "3D, merged")
UNDIRECTED = ("2D", "2.5D", "3D")
OFFSETS_3D = [offset for offset in itertools.product((-1, 0, 1), repeat=3) if offset != (0, 0, 0)]


def make_regions(seed=0, shape=(4, 3, 5, 6), highest=(3, 5, 4, 7)):
    """Levels [N, Z, Y, X] with runs and zones, up to the border of the array, 0 outside; and their level counts [N]."""
    generator = np.random.default_rng(seed)
    levels = np.zeros(shape, np.int32)
    for region, top in zip(levels, highest, strict=True):
        coarse = generator.integers(1, top + 1, shape[1:])
        smooth = np.where(generator.random(shape[1:]) < 0.4, np.roll(coarse, 1, axis=2), coarse)
        region[:] = np.where(generator.random(shape[1:]) < 0.8, smooth, 0)
    return levels, np.array(highest)


def list_voxels(region):
    """[(z, y, x), level] of the voxels inside a region."""
    return [(tuple(place), region[tuple(place)]) for place in np.argwhere(region > 0).tolist()]


def look(region, place, offset, times=1):
    """Level at a place moved by an offset; 0 beyond the array."""
    moved = [start + times * step for start, step in zip(place, offset, strict=True)]
    return region[tuple(moved)] if all(0 <= k < n for k, n in zip(moved, region.shape, strict=True)) else 0


def flood(region, offsets):
    """Lists of places: the connected zones of equal level."""
    left, zones = {place for place, _ in list_voxels(region)}, []
    while left:
        zone = [left.pop()]
        for place in zone:
            for offset in offsets:
                moved = tuple(int(start + step) for start, step in zip(place, offset, strict=True))
                if moved in left and region[moved] == region[place]:
                    left.remove(moved)
                    zone.append(moved)
        zones.append(zone)
    return zones


def measure_slowly(region, aggregation, count, evaluate, directed=True):
    """Features [F] of a region: count(part, offsets) -> Counter, merged as asked, evaluate(Counter, voxels) -> [F]."""
    space, _, merging = aggregation.partition(", ")
    offsets = [offset for offset in OFFSETS_3D if space == "3D" or offset[0] == 0]
    ways = [[offset] for offset in offsets if offset > (0, 0, 0)] if directed else [offsets]
    parts = [region] if space == "3D" else [
        np.where(np.arange(len(region))[:, None, None] == z, region, 0) for z in range(len(region))]
    merged, voxels = collections.defaultdict(collections.Counter), collections.Counter()
    for (z, part), (way, steps) in itertools.product(enumerate(parts), enumerate(ways)):
        group = (z if space == "2D" else 0, way if merging in ("averaged", "direction-merged") else 0)
        merged[group].update(count(part, steps))
        voxels[group] += int((part > 0).sum())
    values = [evaluate(counter, voxels[group]) for group, counter in merged.items() if counter]
    if not values:
        return np.full(len(evaluate(collections.Counter({(1, 1): 2}), 1)), np.nan)
    values = np.ma.masked_invalid(np.array(values, float))
    return values.mean(axis=0).filled(np.nan)


def evaluate_items(counter, voxels):
    """The 16 features shared by run, zone and distance matrices, and the energy, of Counter {(level, size): items}."""
    items = np.array(list(counter.elements()), float)
    g, s = items.T
    share = np.array(list(counter.values())) / len(items)
    by_level = np.array(list(collections.Counter(g).values()))
    by_size = np.array(list(collections.Counter(s).values()))
    return [
        np.mean(s**-2), np.mean(s**2), np.mean(g**-2), np.mean(g**2), np.mean(s**-2 * g**-2), np.mean(s**-2 * g**2),
        np.mean(s**2 * g**-2), np.mean(s**2 * g**2), np.sum(by_level**2) / len(g), np.sum((by_level / len(g)) ** 2),
        np.sum(by_size**2) / len(g), np.sum((by_size / len(g)) ** 2), len(g) / voxels, np.var(g), np.var(s),
        -np.sum(share * np.log2(share)), np.sum(share**2),
    ]
