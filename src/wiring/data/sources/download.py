"""Files from their publishers, whose content is pinned by SHA-256."""

from __future__ import annotations

from pathlib import Path

import pooch
import requests
from tenacity import retry, retry_if_exception, stop_after_attempt, wait_exponential

from wiring.errors import InputError

TIMEOUT = 30
"""Seconds without a byte after which an attempt to download fails."""


def fetch(url: str, sha256: str, cache: Path) -> Path:
    """A file on disk, verified: the cached or the downloaded one.

    Args:
        url: where it is published.
        sha256: of its bytes.
        cache: folder that keeps the download.

    Raises:
        InputError: it cannot be downloaded, or is not the pinned one.
    """
    instead = "try again, or download it elsewhere and name it in the field path"
    try:
        return Path(_download(url, sha256, cache))
    except requests.HTTPError as error:
        raise InputError(f"{url}: the server answered {_status(error)}: {instead}") from None
    except requests.RequestException as error:
        kind = type(error).__name__
        raise InputError(f"{url}: cannot be downloaded ({kind}): {instead}") from None
    except ValueError:
        raise InputError(
            f"{url}: what was downloaded has not the SHA-256 {sha256}: {instead}"
        ) from None
    except OSError as error:
        raise InputError(f"{cache}: cannot keep the download: {error.strerror}") from None


def _status(error: requests.HTTPError) -> int:
    return 0 if error.response is None else error.response.status_code


def _may_pass(error: BaseException) -> bool:
    """Whether another attempt may succeed: not after a 404 or with the wrong content."""
    if isinstance(error, requests.HTTPError):
        return _status(error) == 429 or _status(error) >= 500
    return isinstance(
        error,
        requests.ConnectionError | requests.Timeout | requests.exceptions.ChunkedEncodingError,
    )


@retry(
    retry=retry_if_exception(_may_pass),
    stop=stop_after_attempt(4),
    wait=wait_exponential(max=10),
    reraise=True,
)
def _download(url: str, sha256: str, cache: Path) -> str:
    path: str = pooch.retrieve(
        url,
        f"sha256:{sha256}",
        fname=url.rsplit("/", 1)[-1],
        path=cache,
        downloader=pooch.HTTPDownloader(timeout=TIMEOUT),
    )
    return path
