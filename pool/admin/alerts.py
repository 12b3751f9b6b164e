"""Alerts: who is told of what, a message to try it with, and what was told."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import action, display
from unfold.paginator import InfinitePaginator
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminPasswordWidget

from pool.admin.badges import state_badge
from pool.admin.base import ReadOnlyAdmin, StyledAdmin
from pool.admin.dialogs import RowForm, done, question
from pool.admin.history import local
from pool.alerts.delivery import send_test
from pool.choices import DeliveryState
from pool.models.alerts import Alert, AlertChannel, AlertDelivery, AlertRule

_ROWS = 10
_KEPT = "Never shown. Leave it empty to keep the one that is set."


def _table(deliveries: QuerySet[AlertDelivery]) -> dict[str, list[Any]]:
    """The latest, with what came of each."""
    return {
        "headers": ["At", "What", "Channel", "State", "Tries", "What came back"],
        "rows": [
            [
                local(row.created_at),
                f"{row.kind}: {row}",
                row.channel.name,
                state_badge(row.state),
                row.attempts,
                " ".join(filter(None, (row.detail, row.excerpt))) or "-",
            ]
            for row in deliveries.select_related("channel")[:_ROWS]
        ],
    }


class AlertChannelForm(forms.ModelForm):
    """An empty secret stands for the stored one, which the page has never shown."""

    class Meta:
        model = AlertChannel
        fields = ("name", "kind", "url", "signing_secret", "slack_url", "recipients")
        widgets = {name: UnfoldAdminPasswordWidget() for name in AlertChannel.SECRETS}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._stored = {name: getattr(self.instance, name) for name in AlertChannel.SECRETS}
        for name, secret in self._stored.items():
            if name in self.fields and secret:
                self.fields[name].help_text = _KEPT

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        given = {name: cleaned.get(name) or secret for name, secret in self._stored.items()}
        return {**cleaned, **given}


class _SetUpAdmin(StyledAdmin):
    """A screen on which alerts are set up. With a row goes its part of the log."""

    warn_unsaved_form = True

    def get_deleted_objects(self, objs: Iterable[Any], request: HttpRequest) -> Any:
        """Django's own would ask for the right to delete from the log, which nobody has."""
        names = [f"{row}, and what the log has of it" for row in objs]
        return names, {str(self.opts.verbose_name_plural): len(names)}, set(), []


@admin.register(AlertChannel)
class AlertChannelAdmin(_SetUpAdmin):
    form = AlertChannelForm
    list_display = ("name", "kind", "goes_to", "waiting", "last_message")
    list_filter = (("kind", ChoicesDropdownFilter),)
    search_fields = ("name", "recipients")
    fieldsets = (
        (None, {"fields": (("name", "kind"),)}),
        ("Where to", {"fields": ("url", "signing_secret", "slack_url", "recipients")}),
    )
    conditional_fields = {
        "url": "kind == 'webhook'",
        "signing_secret": "kind == 'webhook'",
        "slack_url": "kind == 'slack'",
        "recipients": "kind == 'email'",
    }
    actions_detail = ("send_test",)
    change_form_outer_after_template = "pool/admin/deliveries.html"

    def get_fieldsets(self, request: HttpRequest, obj: AlertChannel | None = None) -> Any:
        """Who may not change it sees where it goes, and no more of a URL."""
        if obj is None or self.has_change_permission(request, obj):
            return super().get_fieldsets(request, obj)
        return [(None, {"fields": (("name", "kind"), "goes_to")})]

    def get_queryset(self, request: HttpRequest) -> QuerySet[AlertChannel]:
        waiting = Count("deliveries", filter=Q(deliveries__state=DeliveryState.WAITING.value))
        latest = AlertDelivery.objects.filter(channel=OuterRef("pk")).order_by("-id")
        return (
            super()
            .get_queryset(request)
            .annotate(
                waiting_count=waiting,
                last_state=Subquery(latest.values("state")[:1]),
                last_detail=Subquery(latest.values("detail")[:1]),
            )
        )

    @display(description="Goes to")
    def goes_to(self, channel: AlertChannel) -> str:
        return channel.goes_to

    @display(description="Waiting", ordering="waiting_count")
    def waiting(self, channel: Any) -> int:
        return channel.waiting_count

    @display(description="Last message")
    def last_message(self, channel: Any) -> str:
        return state_badge(channel.last_state, channel.last_detail) if channel.last_state else "-"

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        if kwargs.get("obj") is not None:
            context["deliveries"] = _table(kwargs["obj"].deliveries.all())
        return super().render_change_form(request, context, *args, **kwargs)

    @action(
        description="Send a test",
        url_path="test",
        icon="send",
        permissions=["change"],
        dialog=question(
            "Send",
            "A message goes out now, over the channel as it is saved.",
            AlertChannel,
            "a test message",
        ),
    )
    def send_test(self, request: HttpRequest, form: RowForm, object_id: str) -> HttpResponse:
        channel = form.row
        delivery = send_test(channel, request.user, request.build_absolute_uri("/"))
        delivered = delivery.state == DeliveryState.DELIVERED
        came_back = f" It said: {delivery.excerpt}" if delivery.excerpt else ""
        messages.add_message(
            request,
            messages.SUCCESS if delivered else messages.ERROR,
            f"The test message was {'' if delivered else 'not '}delivered: "
            f"{delivery.detail}.{came_back}",
        )
        return done(request, "admin:pool_alertchannel_change", channel.pk)


@admin.register(AlertRule)
class AlertRuleAdmin(_SetUpAdmin):
    list_display = ("name", "enabled", "told_of", "minimum_severity", "shown_channels")
    list_filter = (("channels", RelatedDropdownFilter), ("pools", RelatedDropdownFilter))
    search_fields = ("name",)
    autocomplete_fields = ("pools", "channels")
    fieldsets = (
        (None, {"fields": (("name", "enabled"),)}),
        ("Tells of", {"fields": ("kinds", ("minimum_severity", "pools"))}),
        ("When", {"fields": ("hold_for", "quiet_for", "gather_for")}),
        ("Through", {"fields": ("channels",)}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[AlertRule]:
        return super().get_queryset(request).prefetch_related("channels", "pools")

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "kinds":
            return db_field.formfield(widget=UnfoldAdminCheckboxSelectMultipleWidget())
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    @display(description="Tells of")
    def told_of(self, rule: AlertRule) -> str:
        what = ", ".join(kind.replace("_", " ") for kind in rule.kinds)
        pools = ", ".join(pool.name for pool in rule.pools.all())
        return f"{what} in {pools or 'all pools'}"

    @display(description="Through")
    def shown_channels(self, rule: AlertRule) -> str:
        return ", ".join(channel.name for channel in rule.channels.all()) or "-"


@admin.register(Alert)
class AlertAdmin(ReadOnlyAdmin):
    list_display = ("since", "shown_severity", "title", "shown_state", "count", "rule")
    list_display_links = ("since", "title")
    list_select_related = ("rule",)
    list_filter = (
        ("rule", RelatedDropdownFilter),
        ("pool", RelatedDropdownFilter),
        ("state", ChoicesDropdownFilter),
    )
    search_fields = ("title", "reason")
    paginator = InfinitePaginator
    show_full_result_count = False
    fields = (
        ("title", "shown_state"),
        ("since", "ended_at", "last_at"),
        ("count", "shown_severity", "rule"),
        ("pool", "backend"),
        ("reason", "ending"),
    )
    change_form_outer_after_template = "pool/admin/deliveries.html"

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        context["deliveries"] = _table(kwargs["obj"].deliveries.all())
        return super().render_change_form(request, context, *args, **kwargs)

    @display(description="Severity", ordering="severity")
    def shown_severity(self, alert: Alert) -> str:
        return state_badge(alert.severity)

    @display(description="State", ordering="state")
    def shown_state(self, alert: Alert) -> str:
        return state_badge(alert.state, alert.ending)


@admin.register(AlertDelivery)
class AlertDeliveryAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "channel", "kind", "what", "shown_state", "attempts", "detail")
    list_display_links = ("created_at", "what")
    list_select_related = ("channel",)
    list_filter = (("channel", RelatedDropdownFilter), ("state", ChoicesDropdownFilter))
    paginator = InfinitePaginator
    show_full_result_count = False
    fields = (
        "what",
        ("channel", "kind"),
        ("shown_state", "attempts"),
        ("created_at", "status"),
        ("send_at", "tried_at"),
        ("key", "bundle"),
        ("detail", "excerpt"),
        "message",
    )

    @display(description="What")
    def what(self, delivery: AlertDelivery) -> str:
        return str(delivery)

    @display(description="State", ordering="state")
    def shown_state(self, delivery: AlertDelivery) -> str:
        return state_badge(delivery.state, delivery.detail)
