/**
 * A sitecustomize.py for programs that import asyncio: its event loop wakes itself up through socket.socketpair(), and OSv's
 * local sockets are no full sockets. A pair of TCP sockets on the loopback interface does the same.
 */
export const SITE_CUSTOMIZE = `# Made by Capstan: OSv's socketpair() gives no full sockets, and asyncio needs a pair.
import socket


def _socketpair(family=None, type=socket.SOCK_STREAM, proto=0):
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(1)
        near = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            near.connect(listener.getsockname())
            far, peer = listener.accept()
            if peer != near.getsockname():
                far.close()
                raise ConnectionError("another program connected to the socket pair")
        except BaseException:
            near.close()
            raise
    for end in (near, far):
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return near, far


socket.socketpair = _socketpair
`;
