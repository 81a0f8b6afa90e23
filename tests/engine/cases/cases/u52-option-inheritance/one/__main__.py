import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

p = Provider("p", "r1")
target = Thing("target", "t", opts=Opts(provider=p))
comp = Component("comp", Opts(protect=True, retain_on_delete=True, providers=[p], ignore_changes=["value"],
                              replace_on_changes=["value"], delete_before_replace=True, deleted_with=target,
                              additional_secret_outputs=["echo"]))
a = Thing("a", "1", opts=Opts(parent=comp))
b = Thing("b", "1", opts=Opts(parent=a))
c = Thing("c", "1", opts=Opts(parent=comp, protect=False, retain_on_delete=False))
d = Thing("d", "1", opts=Opts(parent=c))
inner = Component("inner", Opts(parent=comp))
e = Thing("e", "1", opts=Opts(parent=inner))
f = Thing("f", "1", opts=Opts(parent=inner, provider=p, protect=False))
