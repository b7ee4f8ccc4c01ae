"""Run: python scripts/bench/training.py PREPARED --config configs/moses-30min.yaml.

Training throughput beside the arithmetic bound: floating-point operations per molecule counted from the layer sizes,
over the matrix rate that this machine reaches in the same precision in the same run. The parts of a step are timed
apart, which says what limits it.
"""

import time
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import torch

from molvae.data.batches import TokenBatches
from molvae.data.prepared import PreparedData
from molvae.nn.build import build_model
from molvae.nn.vae import MolVAE
from molvae.training.config import load_experiment
from molvae.training.losses import loss_of_heads, reconstruction_loss


def flops_per_molecule(model: MolVAE, tokens: float) -> float:
    """Multiplications and additions of the matrix products of one training step: forward once, backward twice.

    Args:
        model: its layer sizes.
        tokens: per molecule, bos and eos counted.
    """

    def gru(part: torch.nn.Module) -> int:
        return 2 * sum(p.numel() for n, p in part.named_parameters() if n.split(".")[-1].startswith("weight_"))

    def linear(layers: list[torch.nn.Module]) -> int:
        return 2 * sum(m.weight.numel() for layer in layers for m in layer.modules() if isinstance(m, torch.nn.Linear))

    per_token = gru(model.encoder) * tokens
    per_step = (gru(model.decoder) + linear([model.decoder.to_logits])) * (tokens - 1)
    once = linear([model.latent, model.decoder.to_state, model.heads])
    return 3.0 * (per_token + per_step + once)


def matrix_rate(dtype: torch.dtype, m: int, k: int, n: int, seconds: float = 2.0) -> float:
    """FLOP/s of `(m, k) @ (k, n)`: the median of repeated measurements."""
    a, b = torch.randn(m, k).to(dtype), torch.randn(k, n).to(dtype)
    for _ in range(3):
        a @ b
    rates, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        a @ b
        rates.append(2 * m * k * n / (time.perf_counter() - start))
    return float(np.median(rates))


@click.command()
@click.argument("prepared", type=click.Path(path_type=Path))
@click.option("--config", required=True, type=click.Path(path_type=Path))
@click.option("--steps", default=60, show_default=True)
def main(prepared: Path, config: Path, steps: int) -> None:
    """Print the table."""
    experiment = load_experiment(config)
    data = PreparedData.open(prepared)
    size = experiment.training.batch_size
    bf16 = experiment.training.precision == "bf16-mixed"
    torch.manual_seed(0)
    names = data.statistics.names
    model = build_model(experiment.model, vocabulary_size=len(data.vocabulary), property_names=names)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
    stream = iter(TokenBatches(data, data.indices("train"), batch_size=size, property_index=np.arange(len(names))))
    spent: dict[str, list[float]] = {}

    def timed(part: str, work: Callable[[], object]) -> object:
        start = time.perf_counter()
        result = work()
        spent.setdefault(part, []).append(time.perf_counter() - start)
        return result

    molecules = tokens = 0
    for step in range(steps + 5):
        if step == 5:  # warm
            spent.clear()
            molecules = tokens = 0
        batch = timed("batch", lambda: next(stream))
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            latent = timed("encoder and latent", lambda batch=batch: model.encode(batch))
            logits = timed("decoder", lambda batch=batch, z=latent.z: model.decoder(z, batch.token_ids))
            loss = timed(
                "losses",
                lambda batch=batch, latent=latent, logits=logits: (
                    reconstruction_loss(logits, batch.token_ids)
                    + 0.1 * latent.regularizer
                    + loss_of_heads(model.heads, latent.z, batch.properties, codes=latent.codes)
                ),
            )
        timed("backward", loss.backward)
        timed("clip and optimizer", lambda: (torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0), optimizer.step()))
        optimizer.zero_grad()
        molecules += len(batch)
        tokens += int(batch.lengths.sum())
    total = sum(sum(v) for v in spent.values())
    flops = flops_per_molecule(model, tokens / molecules)
    precision = torch.bfloat16 if bf16 else torch.float32
    hidden = model.decoder.hidden_dim
    large = matrix_rate(precision, 4096, 4096, 4096)
    own = matrix_rate(precision, size, hidden, 3 * hidden)
    print("| quantity | value |\n| --- | ---: |")
    print(f"| threads | {torch.get_num_threads()} |")
    print(f"| precision | {experiment.training.precision} |")
    print(f"| tokens per molecule, bos and eos counted | {tokens / molecules:.2f} |")
    print(f"| MFLOP per molecule | {flops / 1e6:.1f} |")
    print(f"| molecules/s | {molecules / total:,.0f} |")
    print(f"| GFLOP/s reached | {flops * molecules / total / 1e9:.0f} |")
    print(f"| GFLOP/s of a 4096³ product | {large / 1e9:.0f} |")
    print(f"| GFLOP/s of one decoder step's product ({size}×{hidden}×{3 * hidden}) | {own / 1e9:.0f} |")
    print(f"| share of the faster of the two | {100 * flops * molecules / total / max(large, own):.0f} % |")
    for part, seconds in spent.items():
        print(f"| time in {part} | {100 * sum(seconds) / total:.0f} % |")


if __name__ == "__main__":
    main()
