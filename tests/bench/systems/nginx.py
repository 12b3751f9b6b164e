"""nginx with upstream keep-alive and buffers that hold a whole 100 KiB response.

Two buffers of 128 KiB measured cheaper than more and smaller ones.
"""

import os
import subprocess

from tests.bench.systems.base import System, missing_program

_CONFIGURATION = """\
daemon off;
{user}
worker_processes {workers};
pid {folder}/nginx.pid;
error_log stderr error;
events {{ worker_connections 16384; }}
http {{
    access_log off;
    tcp_nodelay on;
    keepalive_requests 100000000;
    keepalive_timeout 75s;
    client_body_buffer_size 64k;
    client_body_temp_path {folder}/client;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream origin {{
{servers}
        keepalive 512;
        keepalive_requests 100000000;
        keepalive_timeout 60s;
    }}
    server {{
        listen 127.0.0.1:{port} reuseport backlog=4096;
        location / {{
            proxy_pass http://origin;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_buffer_size 8k;
            proxy_buffers 2 128k;
            proxy_busy_buffers_size 128k;
        }}
    }}
}}
"""


class Nginx(System):
    name = "nginx"
    title = "nginx"

    @classmethod
    def missing(cls) -> str | None:
        return missing_program("nginx", "Debian: apt install nginx-light")

    @classmethod
    def version(cls) -> str:
        output = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=True)
        return output.stderr.strip().rpartition("/")[2]

    def command(self) -> list[str]:
        servers = "\n".join(f"        server {address};" for address in self.site.backends)
        # Workers of a master that is root become `nobody`, who cannot enter the folder.
        user = "user root;" if os.geteuid() == 0 else ""
        path = self.site.folder / "nginx.conf"
        path.write_text(
            _CONFIGURATION.format(
                user=user,
                workers=self.site.workers,
                folder=self.site.folder,
                port=self.port,
                servers=servers,
            )
        )
        return ["nginx", "-p", str(self.site.folder), "-c", str(path)]
