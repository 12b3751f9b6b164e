from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from analytics import reports
from analytics.api.serializers import TrafficQuery, TrafficReportSerializer
from analytics.models import TrafficRollup
from pool.api.permissions import ModelPermissions


class TrafficReportView(GenericAPIView[TrafficRollup]):
    """The traffic of a period that ends now: totals, and each backend's part."""

    queryset = TrafficRollup.objects.none()  # names the model whose view permission is needed
    permission_classes = [ModelPermissions]
    serializer_class = TrafficReportSerializer
    filter_backends = ()
    pagination_class = None

    @extend_schema(parameters=[TrafficQuery], tags=["reports"])
    def get(self, request: Request) -> Response:
        query = TrafficQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        report = reports.traffic(now=timezone.now(), **query.validated_data)
        return Response(self.get_serializer(report).data)
