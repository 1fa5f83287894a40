"""Everything that is priced: instruments, scenarios, costs, risk measures, margin; installed as ``hedgeopt.models``."""

if __name__ != "hedgeopt.models":
    raise ImportError("import hedgeopt.models, not models: a bare import makes a second copy of every class")
