"""Makes the MiniLM file multiply in int8.

The file keeps its weights as int8 but widens them to float before every multiplication. Multiplying
the int8 weights as they are (onnxruntime's DynamicQuantizeMatMul) takes less than half the CPU and hardly
moves an embedding; docs/models.md has the figures.
"""

import hashlib
from pathlib import Path

# Part of the name of the file made, so that a change here makes it anew.
VERSION = 1


def int8_copy(model: Path) -> Path:
    """The path of the int8 version of a model, made beside it when it is not there yet."""
    key = hashlib.sha256(model.read_bytes()).hexdigest()[:12]
    copy = model.with_name(f"{model.stem}-int8-{key}-{VERSION}.onnx")
    if not copy.is_file():
        _write_int8(model, copy)
    return copy


def _write_int8(model: Path, copy: Path) -> None:
    import onnx  # here and not above: large, and needed the first time only
    from onnx import numpy_helper

    network = onnx.load(str(model))
    weights = {tensor.name: tensor for tensor in network.graph.initializer}
    makers = {name: node for node in network.graph.node for name in node.output}
    for node in network.graph.node:
        if node.op_type != "MatMul":
            continue
        widen = makers[node.input[1]]  # the int8 weight, cast to float, times its scale
        cast = makers[widen.input[0]]
        if widen.op_type != "Mul" or cast.op_type != "Cast" or cast.input[0] not in weights:
            continue  # two activations, no weight
        scale = weights[widen.input[1]]
        scale.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(scale).ravel(), scale.name))
        node.op_type, node.domain = "DynamicQuantizeMatMul", "com.microsoft"
        node.input[:] = [node.input[0], cast.input[0], scale.name]
    network.opset_import.append(onnx.helper.make_opsetid("com.microsoft", 1))
    part = copy.with_suffix(".part")
    onnx.save(network, str(part))
    part.replace(copy)
