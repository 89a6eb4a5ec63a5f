"""A client that pushes an image by the API, as boto3 users do, and goes on from what was acknowledged when it is asked again."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError
from tests.service.registry.harness import digest_of, image_manifest

CONFIG = b'{"os":"linux"}'
PART = 9 << 20
"""More than a part of a multipart upload, so that a server may die between two of those."""
WEB = {"repositoryName": "web"}


@dataclass
class Push:
    """One image of a layer and CONFIG, what of it was acknowledged, and what was refused."""

    layer: bytes
    upload: str | None = None
    at: int = 0
    """Bytes of the upload under way that were acknowledged."""
    done: set[str] = field(default_factory=set[str])
    """Layers that were acknowledged, and in the end the image."""
    refusals: list[str] = field(default_factory=list[str])

    @property
    def contents(self) -> tuple[bytes, bytes]:
        return self.layer, CONFIG

    @property
    def manifest(self) -> bytes:
        return image_manifest(CONFIG, [self.layer])

    def go_on(self, ecr: Any) -> None:
        """Push what was not acknowledged."""
        for content in self.contents:
            while digest_of(content) not in self.done:
                self._push(ecr, content)
        image = {**WEB, "imageManifest": self.manifest.decode(), "imageTag": "latest"}
        assert self._ask(ecr.put_image, **image) in (None, "ImageAlreadyExistsException")
        self.done.add(digest_of(self.manifest))

    def _push(self, ecr: Any, content: bytes) -> None:
        """One upload: to its end, or to where it turns out to be gone."""
        if self.upload is None:
            self.upload, self.at = ecr.initiate_layer_upload(**WEB)["uploadId"], 0
        while self.at < len(content):
            end = min(len(content), (self.at // PART + 1) * PART)
            span = {"partFirstByte": self.at, "partLastByte": end - 1, "layerPartBlob": content[self.at : end]}
            refused = self._ask(ecr.upload_layer_part, **WEB, uploadId=self.upload, **span)
            if refused == "UploadNotFoundException":
                self.upload = None
                return
            self.at = end if refused is None else self.at
        digest = digest_of(content)
        refused = self._ask(ecr.complete_layer_upload, **WEB, uploadId=self.upload, layerDigests=[digest])
        assert refused in (None, "LayerAlreadyExistsException", "UploadNotFoundException")
        if refused != "UploadNotFoundException":
            self.done.add(digest)
        self.upload = None

    def _ask(self, call: Callable[..., Any], **request: Any) -> str | None:
        """The code of a refusal, None where all is well."""
        try:
            call(**request)
        except ClientError as error:
            response: Any = error.response
            code = str(response["Error"]["Code"])
            self.refusals.append(code)
            if code == "InvalidLayerPartException":
                received = response["lastValidByteReceived"] + 1
                assert received > self.at, "what was acknowledged is there"
                self.at = received
            return code
        return None


def is_served_whole(ecr: Any, content: bytes) -> bool:
    """Whether the repository has a layer; if it has, it is served as it is."""
    (found,) = ecr.batch_check_layer_availability(**WEB, layerDigests=[digest_of(content)])["layers"]
    if found["layerAvailability"] != "AVAILABLE":
        return False
    token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    url = f"{ecr.meta.endpoint_url}/v2/web/blobs/{digest_of(content)}"
    request = urllib.request.Request(url, headers={"Authorization": f"Basic {token}"})
    with urllib.request.urlopen(request, timeout=30) as response:
        assert response.read() == content
    return True
