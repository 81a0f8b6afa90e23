import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

box = Thing("box", "b", replace_key="1")
dbr = DbrThing("dbr", "b", replace_key="1")
a = Thing("a", "a", replace_key=box.id, opts=Opts(deleted_with=box))
b = Thing("b", "b", replace_key=dbr.id, opts=Opts(deleted_with=dbr))
c = Thing("c", "c", opts=Opts(deleted_with=dbr))
