"""Fitted models as files: what ``hedgeopt scenarios fit`` writes and ``model`` of a policy's ``[scenarios]`` names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hedgeopt.errors import InputError
from hedgeopt.files.names import advice
from hedgeopt.files.reading import parse_toml
from hedgeopt.models.scenarios.noise import MEASURED

__all__ = ["read_model", "under"]

_PACKAGED = "measured"
_KNOWN = ("record", "scenarios", "errors", "as_of", "shelf_life_days", "unverified")


def read_model(name: str) -> dict[str, Any]:
    """The ``[scenarios]`` of a model file, or of the packaged model for ``measured``.

    Raises
    ------
    InputError
        For a file that is missing or no model.
    """
    path = MEASURED if name == _PACKAGED else Path(name)
    if name != _PACKAGED and not path.is_file():
        fix = f'give the file that hedgeopt scenarios fit writes, or "{_PACKAGED}"'
        raise InputError("is no file", file="policy", field="scenarios.model", value=name, fix=fix)
    data = parse_toml(path, "scenario model")
    odd = next((key for key in data if key not in _KNOWN), None)
    if odd is not None or not isinstance(data.get("scenarios"), dict):
        fix = advice(str(odd), _KNOWN) if odd is not None else "write it with hedgeopt scenarios fit"
        raise InputError("is no scenario model", file=path, field=odd or "scenarios", fix=fix)
    found: dict[str, Any] = data["scenarios"]
    return found


def under(given: dict[str, Any], name: str) -> dict[str, Any]:
    """Settings ``given`` in a policy over those of the model: what a policy says itself counts, for every asset.

    A number of the policy's own also replaces those by asset; what a kind does not take, such as degrees of a history, is
    left out.
    """
    model = dict(read_model(name))
    given.pop("model")
    own: Mapping[str, Any] = given.get("by_asset", {})
    by_asset = {
        asset: {key: value for key, value in one.items() if key not in given}
        for asset, one in model.pop("by_asset", {}).items()
    }
    if isinstance(own, Mapping):
        for asset, one in own.items():
            by_asset[asset] = {
                **by_asset.get(asset, {}),
                **(one if isinstance(one, Mapping) else one.model_dump(exclude_none=True)),
            }
    if "expiry_noise" in given and "noise" not in given:
        model["noise"] = {
            asset: {key: value for key, value in one.items() if key != "expiry"}
            for asset, one in model.get("noise", {}).items()
        }
    if given.get("kind", "parametric") not in ("parametric", "regime"):
        for key in ("degrees", "correlation"):
            model.pop(key, None)
    merged = {**model, **given}
    if by_asset:
        merged["by_asset"] = by_asset
    return merged
