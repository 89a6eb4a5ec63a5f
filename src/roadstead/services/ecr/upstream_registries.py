"""From a rule to the repository that it gets things from: by HTTP, or in this deployment."""

from __future__ import annotations

from roadstead.kernel.settings import Deployment
from roadstead.services.ecr.errors import SecretNotFoundException
from roadstead.services.ecr.keys import RepositoryKey
from roadstead.services.ecr.pull_through_rules import Rule
from roadstead.services.ecr.pull_through_sign_in import secret_of
from roadstead.services.ecr.upstream import Current, UpstreamRepository, UpstreamSecretLost
from roadstead.services.ecr.upstream_client import Source, UpstreamClient
from roadstead.services.ecr.upstream_local import LocalRepository, Registries, assume_for_cache
from roadstead.services.ecr.upstream_remote import RemoteRepository
from roadstead.services.ecr.upstreams import endpoint_of, registry_here
from roadstead.store import Transaction


class UpstreamRegistries:
    """The registries that rules lead to."""

    def __init__(self, deployment: Deployment, client: UpstreamClient, registries: Registries) -> None:
        self._deployment = deployment
        self._client = client
        self._registries = registries

    async def close(self) -> None:
        """Let the connections go."""
        await self._client.close()

    async def open(self, tx: Transaction, rule: Rule, key: RepositoryKey, current: Current) -> UpstreamRepository:
        """What a repository below a rule gets its images from.

        Raises UpstreamSecretLost when the settings have lost the rule's secret, and UpstreamAccessDenied when its role can't be assumed.
        """
        here, name = registry_here(self._deployment, rule.url), rule.upstream_name(key.name)
        if here is not None:
            principal = await assume_for_cache(tx, key.account, rule.role_arn)
            upstream = RepositoryKey(here.account, here.region, name)
            return LocalRepository(self._registries, upstream, principal, current)
        try:
            credential = None if rule.credential_arn is None else secret_of(self._deployment, rule.credential_arn)
        except SecretNotFoundException as error:
            raise UpstreamSecretLost(error.message) from error
        source = Source(endpoint_of(self._deployment, rule.url), name, credential)
        return RemoteRepository(self._client, self._registries.storage, source)
