"""``check --fix``: what rules say puts a finding right, written into the files it was found in.

Text is spliced, never written anew: what a fix does not touch keeps its every byte. A file is replaced only if
Kubernetes' reader finds in it what was there before, but for the fixes.
"""
