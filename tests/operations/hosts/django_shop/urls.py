from django.http import JsonResponse
from django.urls import path

from django_shop.shop import connector


def order(request, number):
    stored = connector.order("main", "manomano_fr", number)
    return JsonResponse({"state": stored.order.state, "total": stored.order.total})


urlpatterns = [path("orders/<number>", order)]
