import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

p = Provider("p", "r1")
target = Thing("target", "t", opts=Opts(provider=p))
comp = Component("comp", Opts(protect=True, retain_on_delete=True, providers=[p], ignore_changes=["value"],
                              replace_on_changes=["value"], delete_before_replace=True, deleted_with=target,
                              additional_secret_outputs=["echo"]))
a = Thing("a", "2", opts=Opts(parent=comp))
b = Thing("b", "2", opts=Opts(parent=a))
c = Thing("c", "2", opts=Opts(parent=comp, protect=False, retain_on_delete=False))
inner = Component("inner", Opts(parent=comp))
e = Thing("e", "2", opts=Opts(parent=inner))
