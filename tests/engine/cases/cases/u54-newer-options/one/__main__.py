import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

a = Thing("a", "1", map={"k": 1}, opts=Opts(hide_diffs=["map"]))
