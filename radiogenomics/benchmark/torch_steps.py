"""A whole training step in PyTorch: batch, both networks' losses, two Adams, moving average; eager or compiled.

Plain means: what a PyTorch user would write first. NCHW, one `backward` a network, standard optimisers. Compiled means
`torch.compile` of synthesis and of either loss, with their backward passes; the optimisers are not compiled.
"""

import contextlib
import copy
import json
import types

import numpy as np
import torch

from radiogenomics.benchmark import torch_features, torch_film, torch_published
from radiogenomics.errors import InputError
from radiogenomics.train import losses

PARTS = ("synthesise", "discriminator_loss", "generator_loss")  # of a step, in torch_film and torch_published


def device():
    """The GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def choose_networks(config):
    """The module with the networks and losses of the configuration's architecture; InputError where it has no rival."""
    if config.data.ndim != 2:
        raise InputError(f"data.ndim: {config.data.ndim}; the PyTorch rivals are written for 2.")
    if config.model.architecture == "published":
        return torch_published
    if tuple(config.train.radiomic_features) != torch_features.NAMES or not config.model.response:
        raise InputError("model, train: the PyTorch rival has the default's features, response surface and outline.")
    return torch_film


def make_step(config, arrays, components, compiled):
    """`step(indices)`, one update of both networks, and the networks in a tuple (generator, discriminator).

    `arrays` are `steps.TrainingArrays` of one fold in host memory, `indices` one index batch of tensors (`place`).
    """
    module, config = choose_networks(config), _plain(config)
    generator, discriminator = (network.to(device()) for network in module.make_networks(config, components))
    average = copy.deepcopy(generator)
    decay = float(losses.ema_decay(config.train.ema_half_life_images, config.train.batch_size))
    resident = _place_arrays(arrays)
    players = [_make_optimizer(config, generator, "generator_rate"),
               _make_optimizer(config, discriminator, "discriminator_rate")]
    networks = (generator, discriminator)
    functions = [_close(getattr(module, name), config, *networks) for name in PARTS]
    synthesise, judge, learn = map(torch.compile, functions) if compiled else functions

    def step(indices):
        batch = gather_batch(config, resident, indices)
        with _precision(config):
            synthesised = synthesise(batch)  # once for both networks
            loss = judge(batch, *(part.detach() for part in synthesised))
        _update(config, discriminator, *players[1], loss)
        discriminator.requires_grad_(False)
        with _precision(config):
            loss = learn(batch, *synthesised)
        _update(config, generator, *players[0], loss)
        discriminator.requires_grad_(True)
        with torch.no_grad():
            for mean, new in zip(average.parameters(), generator.parameters(), strict=True):
                mean.lerp_(new, 1.0 - decay)
        return loss

    return step, networks


def _close(function, config, generator, discriminator):
    def of_batch(*given):
        return function(config, generator, discriminator, *given)

    return of_batch


def _plain(config):
    """The configuration as plain namespaces, which the compiler can read."""
    return json.loads(config.to_json(), object_hook=lambda section: types.SimpleNamespace(**section))


def _precision(config):
    if config.model.dtype == "float32":
        return contextlib.nullcontext()
    return torch.autocast(device().type, getattr(torch, config.model.dtype))


def _place_arrays(arrays):
    fields = {**arrays.patches._asdict(), **arrays.scaled._asdict()}
    return {name: torch.from_numpy(np.array(values)).to(device()) for name, values in fields.items()}


def place(indices):
    """An index batch {name: [batch]} on the device."""
    return {name: torch.from_numpy(np.asarray(rows, np.int64)).to(device()) for name, rows in indices.items()}


def _make_optimizer(config, network, rate):
    """Adam and its schedule, as in train/state.py."""
    settings = config.train
    adam = torch.optim.Adam(network.parameters(), getattr(settings, rate), (settings.beta1, settings.beta2))
    warm = min(50, settings.steps // 10)

    def cosine(step):
        if step < warm:
            return step / warm
        return 0.02 + 0.98 * 0.5 * (1.0 + np.cos(np.pi * (step - warm) / max(settings.steps - warm, 1)))

    schedule = cosine if settings.rate_schedule == "cosine" else lambda _: 1.0
    return adam, torch.optim.lr_scheduler.LambdaLR(adam, schedule)


def _update(config, network, adam, schedule, loss):
    adam.zero_grad()
    loss.backward()
    if config.train.clip_norm:
        torch.nn.utils.clip_grad_norm_(network.parameters(), config.train.clip_norm)
    adam.step()
    schedule.step()


def gather_batch(config, arrays, indices):
    """The examples that an index batch names, with fresh noise, as `steps.gather_batch` makes them."""
    count = len(indices["patient"])
    low, high = config.data.window_hu

    def scale(images_hu):
        return ((images_hu.float().clamp(low, high) - low) * (2.0 / (high - low)) - 1.0)[:, None]

    def noisy(rows):
        exact = arrays["components"][rows]
        return exact + config.train.component_noise * torch.randn_like(exact)

    own, other = noisy(indices["patient"]), noisy(indices["other"])
    angle = torch.rand(count, 1, device=device()) * (np.pi / 2)
    angle = torch.where(torch.rand(count, 1, device=device()) < config.train.mix_share, angle, 0.0)
    different = (indices["patient"][:, None] != indices["patient"][None]).float()
    return {
        "real": scale(arrays["nodule_hu"][indices["nodule"]]),
        "real_mask": arrays["nodule_mask"][indices["nodule"]].float()[:, None],
        "background": scale(arrays["background_hu"][indices["background"]]),
        "components": own,
        "other_components": other,
        "mixed_components": torch.cos(angle) * own + torch.sin(angle) * other,
        "noise": torch.randn(count, config.model.noise_size, device=device()),
        "others": torch.multinomial(different, 1)[:, 0],
        "target_mean": arrays["target_mean"],
        "target_sd": arrays["target_sd"],
    }


def wait():
    """Until the device has done what it was given."""
    if device().type == "cuda":
        torch.cuda.synchronize()
