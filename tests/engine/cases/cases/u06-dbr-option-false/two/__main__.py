import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

a = DbrThing("a", "v", replace_key="k2", opts=Opts(delete_before_replace=False))
b = Thing("b", "b", replace_key=a.id, opts=Opts(delete_before_replace=True))
c = Thing("c", b.id)
