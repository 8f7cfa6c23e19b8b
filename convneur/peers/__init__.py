"""The peers room: published models beside which an accuracy and its cost stand, and how far from their best.

    frontier("m1,m4")                                    # the paper's printed points beside timm's models
    frontier("none", add=["mine:0.9:78.1"], x="macs")

Published values are read, nothing is trained and no torch is loaded. Names load when they are first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from convneur.peers.placing import Frontier, FrontierModel, FrontierPoint, frontier
    from convneur.peers.reading import Peer, Peers, read_peers

_HOME = {
    "Frontier": "convneur.peers.placing",
    "FrontierModel": "convneur.peers.placing",
    "FrontierPoint": "convneur.peers.placing",
    "Peer": "convneur.peers.reading",
    "Peers": "convneur.peers.reading",
    "frontier": "convneur.peers.placing",
    "read_peers": "convneur.peers.reading",
}

__all__ = ["Frontier", "FrontierModel", "FrontierPoint", "Peer", "Peers", "frontier", "read_peers"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'convneur.peers' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
