"""Pictures of networks: losses over epochs, and layers."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from deffe.errors import counted

from .layout import Layout

INSTALL = "pip install 'deffe[report]'"


def draw_losses(path: Path, cost: str, loss: str, losses: Sequence[tuple[int, float, float]]) -> str:
    """Draw the losses of training and validation rows after each epoch; a note that says where, or why not.

    Args:
        losses: epoch, training loss and validation loss, NaN where not known.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        return f"{cost}: losses are not drawn: that needs matplotlib, {INSTALL}"
    epochs, train, validation = zip(*losses, strict=True)
    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.plot(epochs, train, label="rows trained on")
    if any(value == value for value in validation):
        axes.plot(epochs, validation, label="validation rows")
        best = min((value, epoch) for epoch, value in zip(epochs, validation, strict=True) if value == value)
        axes.plot(best[1], best[0], "o", color="black", label=f"kept: epoch {best[1]}, {best[0]:.4g}")
    axes.set(yscale="log", xlabel="epoch", ylabel=loss, title=cost)
    axes.grid(alpha=0.3)
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    return f"{cost}: losses drawn into {path}"


def draw_layers(path: Path, layout: Layout) -> str:
    """Draw the layers with pydot; where the program ``dot`` is not there, write its input. A note that says which."""
    try:
        import pydot
    except ImportError:
        return f"the layers are not drawn: that needs pydot, {INSTALL}"
    graph = pydot.Dot("network", graph_type="digraph", rankdir="TB")
    labels = _labels(layout)
    for index, label in enumerate(labels):
        graph.add_node(pydot.Node(f"n{index}", label=f'"{label}"', shape="box", fontname="Helvetica"))
        if index:
            graph.add_edge(pydot.Edge(f"n{index - 1}", f"n{index}"))
    path.parent.mkdir(parents=True, exist_ok=True)
    if shutil.which("dot"):
        graph.write(str(path), format="png")
        return f"the layers are drawn into {path}"
    path = path.with_suffix(".dot")
    path.write_text(graph.to_string(), encoding="utf-8")
    return f"the layers are in {path}: to draw them, install Graphviz, whose program dot is not here"


def _labels(layout: Layout) -> list[str]:
    labels, positions = [counted(layout.inputs, "feature")], layout.inputs
    weights = layout.grouped(layout.shapes)
    for layer, shapes in zip(layout.layers, weights, strict=True):
        positions = layer.positions(positions)
        count = sum(_product(shape) for shape in shapes)
        kind = (
            f"convolution of {layer.width}, {layer.units} channels"
            if layer.width
            else f"dense, {counted(layer.units, 'node')}"
        )
        parts = [kind, "normalised" if layer.normalised else "", layer.activation]
        parts.append(f"dropout {layer.dropout:g}" if layer.dropout else "")
        shape = f"{positions} x {layer.units}" if layer.width else f"{layer.units}"
        labels.append(f"{', '.join(part for part in parts if part)}\\n{shape} outputs, {count:,} weights")
    return labels


def _product(shape: Sequence[int]) -> int:
    product = 1
    for size in shape:
        product *= size
    return product
