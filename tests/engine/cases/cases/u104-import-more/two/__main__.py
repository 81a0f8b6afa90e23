import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

b = Thing("b", "program", map={"x": 2, "y": 3}, opts=Opts(ignore_changes=["value", "map.x"]))
c = Thing("c", "p", opts=Opts(protect=False))
comp = Component("comp")
d = Thing("d", "q2", secretish="s", opts=Opts(parent=comp, depends_on=[c]))
