"""The command line over `convneur`. One file per command; no arithmetic lives here."""
