"""What is wrong or dangerous in an installation: checks as pure functions over facts, and the gathering of these apart.

The page is docs/doctor.md.
"""
