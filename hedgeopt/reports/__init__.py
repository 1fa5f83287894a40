"""Reports of proposals, risk and margin: tables, sentences, plots and pages."""
