"""The commands of ``mjwatch``: one file for a group of ``--help``.

Commands parse, call one function and print. What they ask for is done in client/ and api.py.
"""
