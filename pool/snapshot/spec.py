"""What every part of a snapshot is."""

import msgspec


class Spec(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Unknown fields are refused: an edge must not run a policy that it cannot see.

    Defaults are left out, so that a field added later changes neither the
    encoding nor the hash of the snapshots that were stored before it.
    """
