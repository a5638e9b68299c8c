"""A client of the HAN that keeps its connection and its nonce, as browsers and polling programs do."""

import http.client
import ssl

from han_login import authorization, challenge_of


class Client:
    """Logs in by digest; reads no certificate."""

    def __init__(self, port: int, name: str, password: str, source: str = "127.0.0.1") -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self._connection = http.client.HTTPSConnection(
            "127.0.0.1", port, timeout=60, context=context, source_address=(source, 0)
        )
        self._login = name, password
        self._challenge: dict[str, str] | None = None
        self._count = 0

    def get(self, target: str) -> tuple[int, bytes]:
        """Status and body; a challenge is answered."""
        status, body = self._once(target)
        return self._once(target) if status == 401 else (status, body)

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def _once(self, target: str) -> tuple[int, bytes]:
        headers = {"Accept": "text/html, */*;q=0.8"}
        if self._challenge is not None:
            self._count += 1
            line = authorization(self._challenge, *self._login, target, count=self._count)
            headers["Authorization"] = line.partition(": ")[2]
        self._connection.request("GET", target, headers=headers)
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status == 401:
            lines = "\r\n".join(f"{key}: {value}" for key, value in answer.getheaders())
            self._challenge, self._count = challenge_of(lines.encode() + b"\r\n\r\n"), 0
        return answer.status, body
