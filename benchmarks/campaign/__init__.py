"""Random checks in full numbers: ``make campaign`` runs them for hours and commits what it found; CI repeats a sample.

How to add an entry
-------------------
1. Write ``benchmarks/campaign/NAME.py`` with a function of a case's number, registered by the decorator::

       from benchmarks.campaign.registry import campaign

       @campaign(
           "random_programs",                       # also the name of the result file
           about="random programs against a whole LP in HiGHS",
           full=10_000,                             # cases of a campaign
           sample=6,                                # cases that CI repeats; keep it to a few seconds
           never=("certified and wrong",),          # outcomes that must not occur
           sources=("hedgeopt/tail", "hedgeopt/program/solve.py"),   # what the result depends on: files or folders of Python
       )
       def case(number: int) -> str:
           rng = np.random.default_rng([2026, number])       # everything drawn from the number alone
           ...
           return "certified"                       # a word or two: outcomes are counted by it

   A case must give the same outcome wherever it runs. Where that can't be (it depends on timing), set ``repeatable=False``:
   then only ``never`` is compared. An exception is the outcome ``raised ExceptionName``, which never may occur, unless the
   case itself turns it into a word ("refused").
2. ``python -m benchmarks.campaign NAME --cases 200`` to try it (nothing is written with ``--cases``); ``make campaign
   CAMPAIGN=NAME`` for the full number, which writes ``results/NAME.json``: commit it.

A test of pytest's with more examples is an entry too: :func:`benchmarks.campaign.registry.with_examples` runs given tests
with ``HEDGEOPT_TEST_EXAMPLES`` set to a multiple of their usual number.

The result file holds the counts by outcome, the numbers of all cases that had not the commonest outcome, the versions, and
a digest of the sources. ``python -m benchmarks.campaign --status`` lists the results that come from other sources than those
here. ``tests/benchmarks/test_campaign.py`` checks every file, and repeats the sample.
"""
