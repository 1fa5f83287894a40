"""The limits a policy may set, one file each; installed as ``hedgeopt.constraints``."""

if __name__ != "hedgeopt.constraints":
    raise ImportError("import hedgeopt.constraints, not constraints: a bare import makes a second copy of every class")
