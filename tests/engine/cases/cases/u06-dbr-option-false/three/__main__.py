import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

a = DbrThing("a", "v", replace_key="k3")
b = Thing("b", "b", replace_key=a.id, opts=Opts(delete_before_replace=False))
c = Thing("c", b.id)
