"""A day’s requests to the shop, through Django’s own test client: every statement is one that Oscar itself makes."""
import os

os.environ["DJANGO_SETTINGS_MODULE"] = "settings"

import django

django.setup()

from django.contrib.auth.models import User
from django.test import Client

for user in User.objects.filter(username__in=["buyer7", "buyer11", "buyer4999"]):
    user.set_password("bench-only")
    user.is_staff = user.is_superuser = user.username == "buyer4999"
    user.save()


def get(client, path):
    answer = client.get(path, follow=True)
    if answer.status_code != 200:
        raise SystemExit(f"{path}: {answer.status_code}")


visitor = Client()
for visit in range(1, 16):
    get(visitor, f"/catalogue/?page={visit * 7}")
    get(visitor, f"/catalogue/category/category-{1 + visit % 40}_{1 + visit % 40}/")
    for product in range(3):
        get(visitor, f"/catalogue/product-{visit * 97 + product}_{visit * 97 + product}/")
    get(visitor, f"/search/?q={['lamp', 'oak', 'vase'][visit % 3]}")
for name in ("buyer7", "buyer11"):
    buyer = Client()
    assert buyer.login(username=f"{name}@example.com", password="bench-only")
    for visit in range(1, 8):
        get(buyer, "/accounts/orders/")
        get(buyer, "/accounts/profile/")
        buyer.post(f"/basket/add/{visit * 31}/", {"quantity": 1})
        get(buyer, "/basket/")
staff = Client()
assert staff.login(username="buyer4999@example.com", password="bench-only")
for visit in range(1, 8):
    get(staff, f"/dashboard/orders/?page={visit * 20}")
    get(staff, f"/dashboard/orders/?name=Last{visit}&response_format=html")
    get(staff, f"/dashboard/catalogue/?page={visit * 5}")
    get(staff, f"/dashboard/users/?page={visit * 10}")
    get(staff, f"/dashboard/users/?email=buyer{visit * 17}")
