"""What is asked before something is done."""

from unfold.dataclasses import ActionDialog


def question(verb: str, consequence: str, what: str = "this backend") -> ActionDialog:
    return ActionDialog(
        title=f"{verb} {what}?",
        description=consequence,
        form_class=None,
        form_submit_text=verb,
    )
