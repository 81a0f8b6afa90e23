import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

box = Thing("box", "b", replace_key="1")
a = Thing("a", "a", opts=Opts(deleted_with=box))
b = Thing("b", a.id, opts=Opts(deleted_with=a))
c = Thing("c", "c", opts=Opts(deleted_with=box, parent=box))
k = Thing("k", "k")
