import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

b = Thing("b", "program", map={"x": 2, "y": 3}, opts=Opts(import_="e-2", ignore_changes=["value", "map.x"]))
c = Thing("c", "p", opts=Opts(import_="e-3", protect=True, retain_on_delete=True))
comp = Component("comp")
d = Thing("d", "q", secretish="s", opts=Opts(import_="e-4", parent=comp, depends_on=[c]))
