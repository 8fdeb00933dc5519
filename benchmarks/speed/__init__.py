"""How long a plan takes, at every size, beside other ways to the same answer; a time counts after its answer did."""
