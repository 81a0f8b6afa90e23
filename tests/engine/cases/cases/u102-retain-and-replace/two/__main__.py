import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

a = Thing("a", "1", replace_key="2", opts=Opts(retain_on_delete=True, delete_before_replace=True))
b = Thing("b", a.id, replace_key="x", opts=Opts(retain_on_delete=True))
c = Thing("c", "c", replace_key=b.id, opts=Opts(retain_on_delete=True))
