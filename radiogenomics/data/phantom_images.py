"""CT of the phantom: a piece of lung with vessels and chest wall, one nodule, a scanner.

Voxels of 1 mm, axes [slice, row, column].
"""

import numpy as np
from scipy import ndimage, special

FACTORS = ("diameter", "attenuation", "spiculation", "texture", "core", "elongation")
SPACING_MM = (1.0, 1.0, 1.0)
MARGIN_MM = 12  # of the lung around a volume of interest in the axial plane, either side
SLAB_MM = 5  # of a nodule drawn alone, either side of its central slice
LENGTHS = 3.0  # of the lung in volumes of interest: the nodule lies in the first, the nodule-free places in the rest
SOFT_TISSUE_HU = 40.0
CHEST_RADIUS_MM = 90.0


def shape_nodule(config, factors):
    """Physical parameters of a nodule from its standard normal factors, each monotone in its factor.

    parameter = low + (high - low) * Phi(spread * factor), Phi the normal CDF; attenuation is shifted inside of Phi.

    Args:
      config: the configuration; reads `phantom`.
      factors: factor name -> value.

    Returns:
      dict: radius_mm, attenuation_hu, spike_mm, texture_hu (SD), core_hu (inner less outer half), axis_ratio.
    """
    ranges = {
        "diameter": config.phantom.diameter_mm,
        "attenuation": config.phantom.attenuation_hu,
        "spiculation": config.phantom.spike_share,
        "texture": config.phantom.texture_hu,
        "core": config.phantom.core_hu,
        "elongation": config.phantom.axis_ratio,
    }
    spread, shift = config.phantom.factor_spread, config.phantom.attenuation_shift
    value = {
        name: low + (high - low) * special.ndtr(spread * factors[name] + (shift if name == "attenuation" else 0.0))
        for name, (low, high) in ranges.items()
    }
    radius_mm = 0.5 * value["diameter"]
    return {
        "radius_mm": radius_mm,
        "attenuation_hu": value["attenuation"],
        "spike_mm": value["spiculation"] * radius_mm,
        "texture_hu": value["texture"],
        "core_hu": value["core"],
        "axis_ratio": value["elongation"],
    }


def simulate_scan(config, factors, batch, slice_thickness_mm, generator):
    """A piece of lung with one nodule, as one scanner shows it, and nodule-free places in it.

    Args:
      config: the configuration; reads `phantom` and `data`.
      factors: factor name -> standard normal value.
      batch: 0 or 1, choosing kernel and noise.
      slice_thickness_mm: blur along the slices.
      generator: numpy Generator of this patient.

    Returns:
      (volume_hu float32 [slices, rows, columns], mask bool of the same shape, centers_index [m, 3]) at 1 mm.
    """
    extent, nodule = config.data.extent_mm, shape_nodule(config, factors)
    side = int(np.ceil(extent)) + 2 * MARGIN_MM
    shape = (int(np.ceil(LENGTHS * extent)), side, side)
    jitter = config.phantom.jitter_mm
    # Along the slices behind half a volume of interest, the filters' margin and the jitter.
    center = np.array([0.5 * extent + 4.0 + jitter, 0.5 * side, 0.5 * side])
    center += generator.uniform(-jitter, jitter, size=3)
    depth_mm = _wall_depth(config, shape, center, nodule, generator)
    wall = np.clip(depth_mm + 0.5, 0.0, 1.0)
    volume = _fill_lung(config, wall, depth_mm, generator)
    mask = _insert_nodule(config, volume, wall, center, nodule, generator)
    centers = _free_places(config, mask, depth_mm, generator)
    volume = _scan(config, volume, batch, slice_thickness_mm, generator)
    return _mirror(volume, mask, centers, generator)


def _wall_depth(config, shape, center, nodule, generator):
    """Depth in mm behind the pleura (negative in the lung), a curved, slightly wavy surface at high columns."""
    attached, in_view = generator.random(2) < (config.phantom.attached_share, config.phantom.wall_share)
    reach_mm = 0.5 * config.data.extent_mm
    clearance_mm = 1.6 * nodule["radius_mm"] + generator.uniform(4.0, reach_mm)
    if attached:
        clearance_mm = 0.9 * nodule["radius_mm"]
    elif not in_view:
        clearance_mm = 4.0 * shape[2]
    slices, rows, columns = np.ogrid[: shape[0], : shape[1], : shape[2]]
    lean, phase = generator.normal(scale=0.08), generator.uniform(0.0, 2.0 * np.pi)
    across, along = rows - center[1], slices - center[0]
    waves = 0.8 * (np.sin(0.13 * along + phase) - np.sin(phase))
    surface = center[2] + clearance_mm - across**2 / (2.0 * CHEST_RADIUS_MM) + lean * across + waves
    return (columns - surface).astype(np.float32)


def _fill_lung(config, wall, depth_mm, generator):
    """HU of parenchyma, vessels and chest wall before the scanner."""
    sd_hu = config.phantom.parenchyma_sd_hu
    fine = ndimage.gaussian_filter(generator.standard_normal(wall.shape, dtype=np.float32), 0.8, truncate=2.5)
    coarse = _smooth_noise(wall.shape, 12, generator)
    lung = config.phantom.parenchyma_hu + sd_hu * (fine / fine.std() + coarse)
    vessels = _draw_vessels(config, wall.shape, generator)
    lung += vessels * (SOFT_TISSUE_HU - lung)
    seen = np.s_[:, :, int(np.argmax(wall.any(axis=(0, 1)))) :]
    if wall.any():
        lung[seen] += wall[seen] * (_chest_wall(depth_mm[seen], generator) - lung[seen])
    return lung


def _smooth_noise(shape, grain_mm, generator):
    """Standardised noise that varies over about `grain_mm`."""
    noise = generator.standard_normal([length // grain_mm + 2 for length in shape], dtype=np.float32)
    for axis, length in enumerate(shape):  # linear interpolation, separable and much faster so
        position, node = np.ogrid[:length, : noise.shape[axis]]
        weights = np.maximum(1.0 - np.abs(position / grain_mm - node), 0.0).astype(np.float32)
        noise = np.moveaxis(np.tensordot(weights, noise, axes=(1, axis)), 0, axis)
    return (noise - noise.mean()) / noise.std()


def _chest_wall(depth_mm, generator):
    """HU by depth behind the pleura: muscle, a row of ribs (cortex around marrow), then muscle and fat."""
    slices, rows, _ = np.ogrid[: depth_mm.shape[0], : depth_mm.shape[1], : depth_mm.shape[2]]
    slope, phase = generator.choice([-1.0, 1.0]) * generator.uniform(0.4, 0.9), generator.uniform(0.0, 26.0)
    height_mm = (slices + slope * rows + phase) % 28.0 - 14.0
    bone = ((depth_mm - 8.0) / 3.5) ** 2 + (height_mm / 6.0) ** 2
    fat = (depth_mm > 12.0) & (_smooth_noise(depth_mm.shape, 10, generator) > 0.2)
    tissue = np.where(fat, -100.0, SOFT_TISSUE_HU + 10.0)
    return np.select([bone < 0.4, bone < 1.0], [200.0, 650.0], tissue).astype(np.float32)


def _draw_vessels(config, shape, generator):
    """Share of every voxel inside of vessels: branching, tapering tubes filled with random points."""
    starts, bows, ends, radii = _grow_vessels(config, shape, generator)
    step_mm = 0.5
    steps = np.maximum(np.linalg.norm(ends - starts, axis=1) / step_mm, 1.0).astype(int)
    per_step = np.ceil(4.0 * np.pi * radii**2 * step_mm).astype(int)
    tube = np.repeat(np.arange(len(radii)), steps * per_step)
    along = generator.random(len(tube))[:, None]
    offset = generator.standard_normal((len(tube), 3))
    offset *= (radii[tube] * generator.random(len(tube)) ** (1 / 3) / np.linalg.norm(offset, axis=1))[:, None]
    points = starts[tube] + along * (ends - starts)[tube] + np.sin(np.pi * along) * bows[tube] + offset
    voxel = np.round(points).astype(int)
    inside = np.all((voxel >= 0) & (voxel < shape), axis=1)
    mass = (np.pi * radii**2 * step_mm / per_step)[tube]
    flat = np.ravel_multi_index(voxel[inside].T, shape)
    filled = np.bincount(flat, mass[inside], minlength=np.prod(shape)).reshape(shape).astype(np.float32)
    return np.minimum(1.15 * ndimage.gaussian_filter(filled, 0.5, truncate=3.0), 1.0)


def _grow_vessels(config, shape, generator):
    """Starts, bows, ends [tubes, 3] and radii [tubes] (mm) of trees that start at low columns and fork as they go."""
    count = config.phantom.vessel_trees
    start = generator.uniform((-10, -10, -20), (shape[0] + 10, shape[1] + 10, 0.6 * shape[2]), size=(count, 3))
    direction = generator.normal((0.0, 0.0, 0.8), 0.7, size=(count, 3))
    radius = 0.8 + 1.6 * generator.random(count) ** 2
    tubes = []
    while len(radius) or not tubes:
        direction /= np.linalg.norm(direction, axis=1, keepdims=True)
        length = (4.0 + 4.0 * radius) * generator.uniform(0.7, 1.4, size=len(radius))
        end = start + length[:, None] * direction
        tubes.append((start, generator.normal(scale=0.08, size=start.shape) * length[:, None], end, radius))
        major = np.repeat([True, False], len(radius))
        turn = np.where(major, 0.18, 0.6)[:, None] * generator.standard_normal((2 * len(radius), 3))
        radius = np.tile(radius, 2) * np.where(major, 0.92, 0.68) * generator.uniform(0.9, 1.05, size=2 * len(radius))
        start, direction = np.tile(end, (2, 1)), np.tile(direction, (2, 1)) + turn
        keep = (radius > 0.5) & np.all((start > -20) & (start < np.add(shape, 20)), axis=1)
        start, direction, radius = start[keep], direction[keep], radius[keep]
    return tuple(np.concatenate(parts) for parts in zip(*tubes, strict=True))


def _insert_nodule(config, volume, wall, center, nodule, generator):
    """Blends the nodule into `volume` in place; returns its mask, the chest wall left out."""
    half = int(np.ceil(1.5 * nodule["radius_mm"] * nodule["axis_ratio"] ** 0.5 + nodule["spike_mm"])) + 3
    low = np.maximum(np.floor(center).astype(int) - half, 0)
    window = tuple(slice(start, start + 2 * half + 2) for start in low)
    mask = np.zeros(volume.shape, dtype=bool)
    mask[window] = _blend_nodule(config, volume[window], wall[window], low - center, nodule, generator, generator)
    return mask


def _blend_nodule(config, block, wall, first_mm, nodule, surface_generator, interior_generator):
    """Blends the nodule into `block` in place, whose first voxel lies `first_mm` from its centre; returns its mask."""
    sides = block.shape
    offset = np.stack(np.meshgrid(*map(np.arange, sides), indexing="ij"), axis=-1) + first_mm
    distance = np.linalg.norm(offset, axis=-1)
    unit = (offset / np.maximum(distance, 1e-6)[..., None]).astype(np.float32)
    surface = _surface(config, nodule, surface_generator)(unit.reshape(-1, 3)).reshape(sides)
    share = np.clip((surface - distance) / (2.0 * config.phantom.edge_mm) + 0.5, 0.0, 1.0) * (1.0 - wall)
    inside = share > 0.5
    interior = _interior(config, nodule, distance / surface, inside, interior_generator)
    block += share * (interior - block)
    return inside


def draw_nodule(config, factors, surface_generator, interior_generator):
    """The central slices of one nodule in even lung, as the kernel of batch 1 shows it without noise.

    Args:
      config: the configuration; reads `phantom` and `data`.
      factors: factor name -> standard normal value.
      surface_generator: numpy Generator of its shape.
      interior_generator: numpy Generator of its texture.

    Returns:
      (volume_hu float32 [2 SLAB_MM + 1, side, side] at 1 mm, the nodule's centre [3] as an index).
    """
    side = int(np.ceil(config.data.extent_mm)) + MARGIN_MM
    volume = np.full((2 * SLAB_MM + 1, side, side), config.phantom.parenchyma_hu, np.float32)
    center = np.array([SLAB_MM, 0.5 * side, 0.5 * side]) + 0.25  # on no voxel: a direction needs a distance
    wall = np.zeros(volume.shape, np.float32)
    nodule = shape_nodule(config, factors)
    _blend_nodule(config, volume, wall, -center, nodule, surface_generator, interior_generator)
    return ndimage.gaussian_filter(volume, config.phantom.kernel_sigma_mm[0], mode="nearest"), center


def _interior(config, nodule, relative_radius, inside, generator):
    """HU inside of the nodule: core and texture leave its mean at `attenuation_hu`."""
    grain_sigma = config.phantom.texture_grain_mm / 2.355  # full width at half maximum to standard deviation
    grain = generator.standard_normal(inside.shape, dtype=np.float32)
    grain = ndimage.gaussian_filter(grain, grain_sigma / np.sqrt(2.0))  # the autocorrelation is sqrt(2) as wide
    core = np.clip((0.6 - relative_radius) / 0.2 + 0.5, 0.0, 1.0)
    grain, core = grain - grain[inside].mean(), core - core[inside].mean()
    texture = nodule["texture_hu"] * grain / grain[inside].std()
    return np.maximum(nodule["attenuation_hu"] + nodule["core_hu"] * core + texture, -1000.0)


def _surface(config, nodule, generator):
    """Function from unit vectors [n, 3] to the distance in mm of the nodule's surface from its centre [n].

    Ellipsoid * (1 + lobulation) + spikes, scaled to the volume of the sphere of `radius_mm` (so that neither shape
    factor moves the diameter) and kept within the volume of interest.
    """
    radius, ratio = nodule["radius_mm"], nodule["axis_ratio"]
    frame = _orientation(generator)
    semi_axes = radius * np.array([1.0, ratio**-0.5, ratio**0.5])
    waves, phases = generator.normal(scale=2.5, size=(6, 3)), generator.uniform(0.0, 2.0 * np.pi, size=6)
    width = max(config.phantom.spike_width_mm / 2.355, 0.15 * radius)  # SD; narrower ones would escape the pixels
    tips = _spread_directions(max(int(4.0 * np.pi * (radius / (4.6 * width)) ** 2), 8), generator)
    lengths = nodule["spike_mm"] * generator.uniform(0.6, 1.4, size=len(tips))
    sharpness = (radius / width) ** 2
    largest = 0.46 * config.data.extent_mm

    frame, waves, phases, tips, lengths = (part.astype(np.float32) for part in (frame, waves, phases, tips, lengths))

    def bare(unit):
        ellipsoid = np.linalg.norm((unit @ frame) / semi_axes.astype(np.float32), axis=1) ** -1
        lobes = config.phantom.lobulation * np.sin(unit @ waves.T + phases).mean(axis=1) * (2.0 * len(waves)) ** 0.5
        return ellipsoid * (1.0 + lobes) + np.exp(np.float32(sharpness) * (unit @ tips.T - np.float32(1.0))) @ lengths

    sample = bare(_spread_directions(1500, generator).astype(np.float32))
    scale = radius / np.mean(sample**3) ** (1 / 3)
    return lambda unit: np.minimum(scale * bare(unit), largest)


def _orientation(generator):
    """Orthonormal axes as columns, the last (the long one) within some ten degrees of the axial plane."""
    azimuth = generator.uniform(0.0, np.pi)
    long_axis = np.array([generator.normal(scale=0.15), np.sin(azimuth), np.cos(azimuth)])
    long_axis /= np.linalg.norm(long_axis)
    across = np.cross(long_axis, [1.0, 0.0, 0.0])
    across /= np.linalg.norm(across)
    return np.stack([np.cross(across, long_axis), across, long_axis], axis=1)


def _spread_directions(count, generator):
    """[count, 3] unit vectors spread evenly (Fibonacci lattice), turned and jittered at random."""
    index = np.arange(count) + 0.5
    height, angle = 1.0 - 2.0 * index / count, np.pi * (1.0 + 5.0**0.5) * index
    ring = np.sqrt(1.0 - height**2)
    lattice = np.stack([height, ring * np.cos(angle), ring * np.sin(angle)], axis=1)
    turn, _ = np.linalg.qr(generator.standard_normal((3, 3)))
    points = lattice @ turn + generator.normal(scale=0.6 / np.sqrt(count), size=lattice.shape)
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def _free_places(config, mask, depth_mm, generator):
    """[backgrounds, 3] centres in the lung whose volumes of interest lie behind the nodule."""
    extent, count = config.data.extent_mm, config.data.backgrounds_per_patient
    half = 0.5 * extent
    first = np.flatnonzero(mask.any(axis=(1, 2)))[-1] + half + 3.0
    last = mask.shape[0] - half - 3.0
    cells = (np.arange(count) + generator.random(count)) / count
    slices = first + (last - first) * generator.permutation(cells)
    rows = generator.uniform(half, mask.shape[1] - half, size=count)
    pleura = (depth_mm[slices.astype(int), rows.astype(int)] < -4.0).sum(axis=1)
    columns = generator.uniform(np.minimum(half, pleura - 2.0), np.minimum(mask.shape[2] - half, pleura))
    return np.stack([slices, rows, columns], axis=1)


def _scan(config, volume, batch, slice_thickness_mm, generator):
    """Blur by kernel and slice thickness, and noise of the kernel's grain."""
    sigma = config.phantom.kernel_sigma_mm[batch]
    along = np.sqrt(sigma**2 + max(slice_thickness_mm**2 - 1.0, 0.0) / 12.0)  # variance of a box profile
    blurred = ndimage.gaussian_filter(volume, (along, sigma, sigma), mode="nearest", truncate=3.0)
    noise = generator.standard_normal(volume.shape, dtype=np.float32)
    noise = ndimage.gaussian_filter(noise, (along, sigma, sigma), truncate=2.5)
    return np.clip(blurred + noise * (config.phantom.noise_hu[batch] / noise.std()), -1024.0, 3071.0)


def _mirror(volume, mask, centers, generator):
    """Left or right lung, front or back: rows and columns flipped and swapped at random."""
    for axis in (1, 2):
        if generator.random() < 0.5:
            volume, mask = np.flip(volume, axis), np.flip(mask, axis)
            centers[:, axis] = volume.shape[axis] - 1 - centers[:, axis]
    if generator.random() < 0.5:
        volume, mask, centers = volume.swapaxes(1, 2), mask.swapaxes(1, 2), centers[:, [0, 2, 1]]
    return volume, mask, centers
