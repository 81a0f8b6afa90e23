import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

a = Thing("a", "1", map={"k": 2}, opts=Opts(hide_diffs=["map"]))
