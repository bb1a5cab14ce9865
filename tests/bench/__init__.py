"""The bench: the same work by raw OpenSSH, pyinfra, Ansible and Pasang, on the lab's computers, side by side."""
