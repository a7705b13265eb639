"""The fake tenant of the benchmark, as a process: says how it is reached, then answers each line of input with what it was asked."""

from __future__ import annotations

import json
import sys

from cnamm_scan.demo.azure.bed.contents import Subscription, Tenant, fill
from cnamm_scan.demo.azure.bed.server import AzureBed


def tenant(subscriptions: int, rows: int, gets: int) -> Tenant:
    """So many subscriptions with so many rows of Resource Graph; of `gets` of them there is something to be asked beneath."""
    ids = [f"{number:08}-0000-4000-8000-000000000000" for number in range(subscriptions)]
    things = []
    for number in range(rows):
        group = f"/subscriptions/{ids[number % subscriptions]}/resourceGroups/group-{number % 300}/providers"
        if number < gets:
            id_ = f"{group}/Microsoft.Storage/storageAccounts/account{number}"
            acls = {"bypass": "AzureServices", "defaultAction": "Deny", "virtualNetworkRules": [], "ipRules": []}
            said = {"allowBlobPublicAccess": False, "minimumTlsVersion": "TLS1_2", "networkAcls": acls, "publicNetworkAccess": "Disabled"}
            things.append({"id": id_, "location": "westeurope", "kind": "StorageV2", "sku": {"name": "Standard_ZRS"}, "properties": said})
            kept = {"deleteRetentionPolicy": {"enabled": True, "days": 30}, "isVersioningEnabled": True}
            things.append({"id": f"{id_}/blobServices/default", "properties": kept})
        else:
            id_ = f"{group}/Microsoft.KeyVault/vaults/vault{number}"
            said = {"sku": {"family": "A", "name": "standard"}, "enablePurgeProtection": True, "enableRbacAuthorization": True}
            said |= {"publicNetworkAccess": "Disabled", "networkAcls": {"bypass": "None", "defaultAction": "Deny", "ipRules": []}}
            things.append({"id": id_, "location": "northeurope", "tags": {"owner": "x"}, "properties": said})
    return fill(Tenant({each: Subscription(each, f"subscription {each[:8]}") for each in ids}), things)


def main(subscriptions: int, rows: int, gets: int) -> None:
    with AzureBed(tenant(subscriptions, rows, gets)) as bed:
        print(json.dumps({"environment": bed.environment(), "options": bed.options()}), flush=True)
        for _ in sys.stdin:
            seen, bed.requests[:] = list(bed.requests), []
            print(json.dumps([[each.method, each.path, each.query, each.body] for each in seen if each.token]), flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
