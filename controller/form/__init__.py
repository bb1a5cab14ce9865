"""The Form Instalasi: a pure function of the records, then text, JSON and PDF; its digest and its signatures.

``project.project`` makes a ``model.Form``. Nothing is imported here: every command needs the wording, few the form.
"""
