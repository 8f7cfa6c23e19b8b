"""Claims that a count decides, put to the test."""

from convneur.claims import GROWTH, Claim, ClaimCheck
from convneur.cost.model_cost import ModelCost
from convneur.cost.model_counter import ImageCost

__all__ = ["check_claim"]


def check_claim(claim: Claim, model: ModelCost) -> ClaimCheck:
    """Whether a claim holds of a model, whose sizes must hold the claim's.

    Choice: nothing is rounded: 1.04 GMACs are not at most 1.0. Parameters of a model that is built for each size are
        the most of its sizes.
    """
    if claim.quantity == "growth":
        growth = model.scaling.verdict
        return ClaimCheck(model.shown, claim.text, str(growth), growth.growth_class in GROWTH[claim.growth or ""])
    value: float | None
    where = claim.where
    if claim.quantity == "params":
        value = model.params
        if model.built_per_size and model.counted:
            size, most = max(model.counted.items(), key=lambda each: each[1].count.params)
            value, where = most.count.params, f" at {size}"
    else:
        costs = {(cost.height, cost.width): cost for cost in model.sizes.values()}
        cost = None if claim.size is None else costs.get(claim.size)
        if not isinstance(cost, ImageCost):
            why = "it was not counted" if cost is None else f"refused: {cost.error}"
            return ClaimCheck(model.shown, claim.text, f"{why}{claim.where}", False)
        counted = {"macs": cost.macs, "flops": cost.flops, "peak": cost.count.peak_activation_bytes}
        value = counted[claim.quantity]
    if value is None:
        return ClaimCheck(model.shown, claim.text, f"it was not counted{claim.where}", False)
    return ClaimCheck(model.shown, claim.text, f"{claim.shown(value)}{where}", value <= claim.most)
