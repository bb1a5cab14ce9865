"""Real test computers: systemd, sshd and dpkg in namespaces of this machine, for tests, benches and people."""
