"""The health check: whether a graph server answers. Its protocol has no HTTP, so the check speaks thrift."""

import socket

from nebula3.common.ttypes import ErrorCode
from nebula3.fbthrift.protocol.THeaderProtocol import THeaderProtocol
from nebula3.fbthrift.Thrift import TException
from nebula3.fbthrift.transport.THeaderTransport import THeaderTransport
from nebula3.fbthrift.transport.TSocket import TSocket
from nebula3.fbthrift.transport.TTransport import TBufferedTransport
from nebula3.graph import GraphService
from nebula3.graph.ttypes import VerifyClientVersionReq


def alive(address: tuple[str, int], timeout_s: float = 2.0) -> bool:
    """True when the server at `address` answers a version check in time; no login needed."""
    try:
        with socket.create_connection(address, timeout=timeout_s) as peer:
            return _answers(peer, timeout_s)
    except (OSError, TException, EOFError):
        return False


def _answers(peer: socket.socket, timeout_s: float) -> bool:
    handle = TSocket()
    handle.setHandle(peer)
    handle.setTimeout(timeout_s * 1000)
    client = GraphService.Client(THeaderProtocol(THeaderTransport(TBufferedTransport(handle))))
    response = client.verifyClientVersion(VerifyClientVersionReq())
    return response.error_code == ErrorCode.SUCCEEDED
