import pulumi
from pulumi import ResourceOptions as Opts

from sdk import *

t = pulumi.CustomTimeouts
a = Thing("a", "2", opts=Opts(custom_timeouts=t(create="5m", update="90s", delete="1h")))
b = Thing("b", "1", opts=Opts(custom_timeouts=t(create="2m", delete="3m")))
comp = Component("comp", Opts(custom_timeouts=t(create="8m")))
c = Thing("c", "c2", opts=Opts(parent=comp))
d = Thing("d", "d", opts=Opts(parent=a))
